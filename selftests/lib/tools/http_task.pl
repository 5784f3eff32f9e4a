#!/usr/bin/perl
# SPDX-License-Identifier: GPL-2.0-only
#
# A task that answers as the path asks it to, also as no server should: for tests of a proxy. A process per connection.
#
#   http_task.pl --name NAME --port PORT [--dies]     --dies: takes connections, reads a request, and closes
#
#   /            NAME CLIENT, as the test backend says it
#   /echo        the request as it came: head, empty line, body
#   /where       NAME, the connection's number, the request's number on it
#   /bytes/N     N bytes, with their length      /chunked/N   in chunks, with extensions and a trailer
#   /close/N     until the connection ends       /old/N       likewise, by HTTP/1.0
#   /sum         the body's size and its SHA-256
#   /status/S    that status, without a body     /slow/MS     answers after so long
#   /continue    100, then the body, then 200    /hints       103 twice, then 200
#   /early       413, and closes without having read the body
#   /upgrade     101; what comes is sent back in upper case, and "bye" at its end
#   /hang        never answers                   /die         closes instead
#   /half        closes in the middle of the body
#   /bad/CASE    an answer that no client should believe
use strict;
use warnings;
use Digest::SHA;
use IO::Socket::INET;
use Socket qw(IPPROTO_TCP TCP_NODELAY);

my %option = @ARGV % 2 ? () : @ARGV;
my $dies = grep { $_ eq '--dies' } @ARGV;
%option = grep { $_ ne '--dies' } @ARGV if $dies;
my $name = $option{'--name'};
my $n = 0;

my %bad = (
	'two-lengths' => "Content-Length: 2\r\nContent-Length: 3\r\n\r\nok",
	'length-and-chunks' => "Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
	'length' => "Content-Length: -2\r\n\r\nok",
	'coding' => "Transfer-Encoding: gzip\r\n\r\nok",
	'fold' => "X-A: 1\r\n folded\r\nContent-Length: 2\r\n\r\nok",
	'bare-lf' => "X-A: 1\nContent-Length: 2\r\n\r\nok",
	'nul' => "X-A: a\0b\r\nContent-Length: 2\r\n\r\nok",
	'space-colon' => "X-A : 1\r\nContent-Length: 2\r\n\r\nok",
	'large' => "X-A: " . 'a' x 70000 . "\r\nContent-Length: 2\r\n\r\nok",
);

my $listener = IO::Socket::INET->new(LocalPort => $option{'--port'}, Listen => 1024, ReuseAddr => 1) or die "listen: $@";
$SIG{CHLD} = 'IGNORE';
while (1) {
	my $client = $listener->accept or next;
	$n++;
	next if fork;
	close $listener;
	serve($client);
	exit 0;
}

my ($socket, $buffer);

sub more {
	my $got = sysread($socket, $buffer, 65536, length $buffer);
	return defined $got && $got > 0;
}

sub out {
	my ($data) = @_;
	while (length $data) {
		my $put = syswrite($socket, $data);
		exit 0 unless defined $put;
		substr($data, 0, $put) = '';
	}
}

sub body {
	my ($head) = @_;
	my $body = '';
	if ($head =~ /^Transfer-Encoding: chunked\r$/mi) {
		while (1) {
			while ($buffer !~ /\r\n/) { exit 0 unless more() }
			$buffer =~ s/^([0-9a-f]+)[^\r]*\r\n//i or exit 0;
			my $size = hex $1;
			last unless $size;
			while (length $buffer < $size + 2) { exit 0 unless more() }
			$body .= substr($buffer, 0, $size);
			substr($buffer, 0, $size + 2) = '';
		}
		while (1) {
			while ($buffer !~ /\r\n/) { exit 0 unless more() }
			$buffer =~ s/^(.*?)\r\n//;
			last if $1 eq '';
			$body .= "[trailer $1]";
		}
	} elsif ($head =~ /^Content-Length: (\d+)\r$/mi) {
		while (length $buffer < $1) { exit 0 unless more() }
		$body = substr($buffer, 0, $1);
		substr($buffer, 0, $1) = '';
	}
	return $body;
}

sub answer {
	my ($text, $fields) = @_;
	$fields = '' unless defined $fields;
	out("HTTP/1.1 200 OK\r\n${fields}Content-Length: " . length($text) . "\r\n\r\n$text");
}

sub pattern {
	my ($size) = @_;
	return substr('0123456789abcdefghijklmnopqrstuvwxyz' x (1 + $size / 36), 0, $size);
}

sub tunnel {
	my ($data) = @_;
	while (1) {
		out(uc $buffer);
		$buffer = '';
		last unless more();
	}
	out('bye');
}

sub serve {
	($socket) = @_;
	setsockopt($socket, IPPROTO_TCP, TCP_NODELAY, 1);
	my $peer = $socket->peerhost . ':' . $socket->peerport;
	$buffer = '';
	for (my $request = 1; ; $request++) {
		while ($buffer !~ /\r\n\r\n/) { return unless more() }
		return if $dies;
		$buffer =~ s/^(.*?\r\n)\r\n//s;
		my $head = $1;
		my ($method, $path) = $head =~ /^(\S+) (\S+) HTTP/ or return;
		$path =~ s/\?.*//;
		my $text = $method eq 'HEAD' ? sub { out("HTTP/1.1 200 OK\r\nContent-Length: " . length($_[0]) . "\r\n\r\n") } : \&answer;
		if ($path eq '/early') {
			out("HTTP/1.1 413 Content Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
			shutdown($socket, 1);
			# So that no reset overtakes it.
			while (1) { $buffer = ''; return unless more() }
		}
		out("HTTP/1.1 100 Continue\r\n\r\n") if $path eq '/continue';
		if ($path eq '/hang') { sleep 60; return }
		return if $path eq '/die';
		my $body = body($head);
		if ($path eq '/') { $text->("$name $peer\n") }
		elsif ($path eq '/echo') { $text->("$head\r\n$body", "X-Hop: 1\r\nConnection: X-Hop\r\nX-Task: $name\r\n") }
		elsif ($path eq '/where') { $text->("$name $n $request\n") }
		elsif ($path =~ m{^/bytes/(\d+)$}) { $text->(pattern($1)) }
		elsif ($path =~ m{^/chunked/(\d+)$}) {
			my $data = pattern($1);
			out("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
			for (my $at = 0, my $size = 1; $at < length $data; $at += $size, $size = $size * 2 % 30011) {
				my $part = substr($data, $at, $size);
				out(sprintf("%x;a=\"b\"\r\n%s\r\n", length $part, $part));
			}
			out("0\r\nX-Sum: 1\r\n\r\n");
		}
		elsif ($path =~ m{^/close/(\d+)$}) { out("HTTP/1.1 200 OK\r\n\r\n" . pattern($1)); return }
		elsif ($path =~ m{^/old/(\d+)$}) { out("HTTP/1.0 200 OK\r\n\r\n" . pattern($1)); return }
		elsif ($path eq '/sum' || $path eq '/continue') { $text->(length($body) . ' ' . Digest::SHA::sha256_hex($body) . "\n") }
		elsif ($path =~ m{^/status/(\d+)$}) { out("HTTP/1.1 $1 As Asked\r\n" . ($1 == 204 || $1 == 304 ? '' : "Content-Length: 0\r\n") . "\r\n") }
		elsif ($path =~ m{^/slow/(\d+)$}) { select(undef, undef, undef, $1 / 1000); $text->("$name\n") }
		elsif ($path eq '/hints') { out("HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n") for 1, 2; $text->("hinted\n") }
		elsif ($path eq '/upgrade') { out("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n"); tunnel(); return }
		elsif ($path eq '/half') { out("HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf"); return }
		elsif ($path =~ m{^/bad/(.*)$} && $bad{$1}) { out("HTTP/1.1 200 OK\r\n$bad{$1}") }
		elsif ($path eq '/bad/extra') { out("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil") }
		elsif ($path eq '/bad/line') { out("HTTP/1.1 abc\r\n\r\n") }
		else { out("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n") }
	}
}
