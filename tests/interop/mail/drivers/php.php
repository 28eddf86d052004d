<?php
// How mailers written in PHP speak: a stream, TLS switched on over it, a line for each write, the answer read line by
// line until its fourth character is a space. One order on stdin, one answer on stdout.
final class Refused extends RuntimeException
{
}

final class Mailer
{
    private $stream;

    public function __construct(private array $order)
    {
        $tls = ['verify_peer' => true, 'verify_peer_name' => true, 'peer_name' => $order['host'], 'cafile' => $order['ca']];
        $scheme = $order['tls'] === 'implicit' ? 'ssl' : 'tcp';
        $this->stream = @stream_socket_client(
            "$scheme://{$order['host']}:{$order['port']}", $number, $text, 20, STREAM_CLIENT_CONNECT,
            stream_context_create(['ssl' => $tls]),
        );
        if ($this->stream === false) {
            throw new Refused('Could not connect to SMTP host', 0);
        }
        stream_set_timeout($this->stream, 20);
        $this->answer('connect', 220);
    }

    public function begin(): void
    {
        $this->say('EHLO client.example.com', 250);
        if ($this->order['tls'] === 'starttls') {
            $this->say('STARTTLS', 220);
            if (!@stream_socket_enable_crypto($this->stream, true, STREAM_CRYPTO_METHOD_TLS_CLIENT)) {
                throw new Refused('Could not start TLS', 0);
            }
            $this->say('EHLO client.example.com', 250);
        }
    }

    public function login(string $user, string $password): void
    {
        if ($this->order['mechanism'] === 'LOGIN') {
            $this->say('AUTH LOGIN', 334);
            $this->say(base64_encode($user), 334);
            $this->say(base64_encode($password), 235);
        } else {
            $this->say('AUTH PLAIN', 334);
            $this->say(base64_encode("\0$user\0$password"), 235);
        }
    }

    // The good recipients get the mail, and then it is an error that there were bad ones.
    public function send(string $sender, array $recipients, string $mail): string
    {
        $this->say("MAIL FROM:<$sender>", 250);
        $bad = [];
        foreach ($recipients as $recipient) {
            try {
                $this->say("RCPT TO:<$recipient>", 250, 251);
            } catch (Refused $refused) {
                $bad[] = "$recipient: {$refused->getMessage()}";
            }
        }
        if (count($bad) < count($recipients)) {
            $this->say('DATA', 354);
            foreach (explode("\n", str_replace(["\r\n", "\r"], "\n", $mail)) as $line) {
                fwrite($this->stream, (str_starts_with($line, '.') ? '.' : '') . "$line\r\n");
            }
            $told = $this->say('.', 250);
        }
        if ($bad !== []) {
            throw new Refused('The following recipients failed: ' . implode(', ', $bad), 0);
        }
        $this->say('QUIT', 221);
        return $told;
    }

    private function say(string $line, int ...$good): string
    {
        fwrite($this->stream, "$line\r\n");
        return $this->answer(strtok($line, ' '), ...$good);
    }

    private function answer(string $command, int ...$good): string
    {
        $whole = '';
        do {
            $line = fgets($this->stream, 512);
            $whole .= $line === false ? '' : $line;
        } while ($line !== false && ($line[3] ?? ' ') !== ' ');
        if (!in_array((int) $whole, $good, true)) {
            throw new Refused("$command command failed: " . trim($whole), (int) $whole);
        }
        return trim($whole);
    }
}

// Base64 with a header around it, as a mailer composes it: text, and a file beside it.
function composed(array $order): string
{
    $text = chunk_split(base64_encode(str_replace("\n", "\r\n", $order['text'])));
    $head = "Date: " . date('D, j M Y H:i:s O') . "\r\nFrom: <{$order['sender']}>\r\nMessage-ID: {$order['id']}\r\n"
        . 'Subject: =?UTF-8?B?' . base64_encode($order['subject']) . "?=\r\nX-Mailer: PHP\r\nMIME-Version: 1.0\r\n";
    $part = "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: base64\r\n\r\n$text";
    if ($order['file'] === null) {
        return $head . $part;
    }
    $name = basename($order['file']);
    return "{$head}Content-Type: multipart/mixed;\r\n boundary=\"b1_x\"\r\n\r\nThis is a multi-part message in MIME format.\r\n"
        . "\r\n--b1_x\r\n$part\r\n\r\n--b1_x\r\nContent-Type: application/octet-stream; name=$name\r\n"
        . "Content-Transfer-Encoding: base64\r\nContent-Disposition: attachment; filename=$name\r\n\r\n"
        . chunk_split(base64_encode(file_get_contents($order['file']))) . "\r\n\r\n--b1_x--\r\n";
}

$order = json_decode(stream_get_contents(STDIN), true, 512, JSON_THROW_ON_ERROR);
try {
    $mailer = new Mailer($order);
    $mailer->begin();
    if ($order['user'] !== '') {
        $mailer->login($order['user'], $order['password']);
    }
    echo $mailer->send($order['sender'], $order['recipients'], composed($order)), "\n";
} catch (Refused $refused) {
    fwrite(STDERR, "SMTP Error: {$refused->getMessage()}\n");
    exit(1);
}
