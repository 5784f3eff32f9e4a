#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
#
# Ends of plain connections, for tls.t.
#
# tls_peer.pl serve PORT      Each connection: what begins like HTTP, after a header of the PROXY protocol or not, gets 101 if it asks for
#                             an upgrade, else 200 and as its body: the connection's number, and what came before the request (bytes
#                             that are not visible as \xHH). All else is echoed, and followed by "end" when the other end says no more.
# tls_peer.pl send ADDRESS PORT FROM TEXT   Connects from the address FROM, sends TEXT (\r \n \xHH as in Perl), says no more, prints what comes.
# tls_peer.pl stay ADDRESS PORT FROM TEXT   The same, but says no more only when the other end does.
# tls_peer.pl tunnels ADDRESS PORT N FILE   N upgraded connections, idle until FILE is there; then a line is echoed through each. Prints "N
#                             open" when they are, and "N echoed" at the end.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use Socket qw(SHUT_WR SOMAXCONN);

$| = 1;

sub unescaped {
	my ($text) = @_;
	my %plain = (r => "\r", n => "\n");
	$text =~ s/\\(?:x([0-9a-fA-F]{2})|([rn]))/defined $1 ? chr(hex $1) : $plain{$2}/ge;
	return $text;
}

sub visible {
	my ($text) = @_;
	$text =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ge;
	return $text;
}

sub connected {
	my ($address, $port, $from) = @_;
	my $socket = IO::Socket::INET->new(PeerAddr => $address, PeerPort => $port, LocalAddr => $from) or die "cannot connect: $!\n";
	binmode $socket;
	return $socket;
}

sub sent {
	my ($socket, $text) = @_;
	while (length $text) {
		my $n = syswrite $socket, $text;
		return 0 unless defined $n;
		substr $text, 0, $n, '';
	}
	return 1;
}

sub answer {
	my ($connection) = @_;
	return if $connection->{echoes};
	my ($before, $head) = $connection->{data} =~ /\A(.*?)(GET .*?\r\n\r\n)/s or return;
	substr $connection->{data}, 0, length($before) + length $head, '';
	if ($head =~ /^Upgrade:/mi) {
		$connection->{echoes} = 1;
		return "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n";
	}
	my $proto = $head =~ /^X-Forwarded-Proto: (\S+)/mi ? $1 : '-';
	my $for = $head =~ /^X-Forwarded-For: (.+?)\r/mi ? $1 : '-';
	my $body = "$connection->{number} " . visible($before) . " $for $proto\n";
	return "HTTP/1.1 200 OK\r\nContent-Length: " . length($body) . "\r\n\r\n$body";
}

sub serve {
	my ($port) = @_;
	my $listener = IO::Socket::INET->new(LocalPort => $port, Listen => SOMAXCONN, ReuseAddr => 1) or die "cannot listen: $!\n";
	my $select = IO::Select->new($listener);
	my (%connections, $count);
	while (1) {
		for my $socket ($select->can_read) {
			if ($socket == $listener) {
				my $new = $listener->accept or next;
				binmode $new;
				$select->add($new);
				$connections{$new} = {number => ++$count, data => '', echoes => 0};
				next;
			}
			my $connection = $connections{$socket};
			my $n = sysread $socket, $connection->{data}, 65536, length $connection->{data};
			my $open = $n;
			if ($n) {
				$connection->{echoes} ||= $connection->{data} =~ /\Aecho/;
				my $text = answer($connection);
				$open = sent($socket, $text) if $text;
			}
			if ($open && $connection->{echoes}) {
				$open = sent($socket, $connection->{data});
				$connection->{data} = '';
			}
			next if $open;
			sent($socket, "end\n") if defined $n && $connection->{echoes};
			$select->remove($socket);
			delete $connections{$socket};
			close $socket;
		}
	}
}

sub talk {
	my ($stays, $address, $port, $from, $text) = @_;
	my $socket = connected($address, $port, $from);
	sent($socket, unescaped($text));
	shutdown $socket, SHUT_WR unless $stays;
	while (sysread $socket, my $data, 65536) {
		print $data;
	}
}

sub tunnels {
	my ($address, $port, $n, $file) = @_;
	my @sockets = map { connected($address, $port, '127.0.0.1') } 1 .. $n;
	sent($_, "GET / HTTP/1.1\r\nHost: ws.test\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n") for @sockets;
	for my $socket (@sockets) {
		my $head = '';
		while ($head !~ /\r\n\r\n/) {
			sysread $socket, $head, 4096, length $head or die "no upgrade: $head\n";
		}
		$head =~ m{^HTTP/1.1 101} or die $head;
	}
	print "$n open\n";
	select undef, undef, undef, 0.05 until -e $file;
	my $echoed = 0;
	sent($_, "ping\n") for @sockets;
	for my $socket (@sockets) {
		my $line = '';
		while (length $line < 5) {
			sysread $socket, $line, 5 - length $line, length $line or last;
		}
		$echoed += $line eq "ping\n";
	}
	print "$echoed echoed\n";
}

$SIG{PIPE} = 'IGNORE';
my $what = shift // '';
if ($what eq 'serve') { serve(@ARGV) }
elsif ($what eq 'send') { talk(0, @ARGV) }
elsif ($what eq 'stay') { talk(1, @ARGV) }
elsif ($what eq 'tunnels') { tunnels(@ARGV) }
else { die "tls_peer.pl serve|send|stay|tunnels …\n" }
