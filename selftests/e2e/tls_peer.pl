#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
#
# Ends of plain connections, for tls.t.
#
# tls_peer.pl serve PORT      Each connection: what begins like HTTP, after a header of the PROXY protocol or not, gets 200 and as its
#                             body: the connection's number, and what came before the request (bytes that are not visible as \xHH).
#                             All else is echoed, and followed by "end" when the other end says no more.
# tls_peer.pl send ADDRESS PORT FROM TEXT   Connects from the address FROM, sends TEXT (\r \n \xHH as in Perl), says no more, prints what comes.
# tls_peer.pl stay ADDRESS PORT FROM TEXT   The same, but says no more only when the other end does.
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

$SIG{PIPE} = 'IGNORE';
my $what = shift // '';
if ($what eq 'serve') { serve(@ARGV) }
elsif ($what eq 'send') { talk(0, @ARGV) }
elsif ($what eq 'stay') { talk(1, @ARGV) }
else { die "tls_peer.pl serve|send|stay …\n" }
