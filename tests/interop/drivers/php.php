<?php
// PHP's SoapClient; see __init__.py for what goes in and out. With "plain": true its lists are as they are by
// default; "compression" names one of its constants.
const WSSE = 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd';

function say(array $value): void
{
    echo json_encode($value, JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR), "\n";
}

function header_of(array $login): SoapHeader
{
    $named = fn (string $name, $value, int $type) => new SoapVar($value, $type, null, null, $name, WSSE);
    $token = $named('UsernameToken', [
        $named('Username', $login['user'], XSD_STRING),
        $named('Password', $login['password'], XSD_STRING),
    ], SOAP_ENC_OBJECT);
    return new SoapHeader(WSSE, 'Security', new SoapVar([$token], SOAP_ENC_OBJECT), true);
}

function open(array $order): SoapClient
{
    $login = $order['login'] ?? ['kind' => ''];
    $options = [
        'location' => $order['location'],
        'soap_version' => $order['version'] === '1.2' ? SOAP_1_2 : SOAP_1_1,
        'cache_wsdl' => WSDL_CACHE_NONE,
        'features' => ($order['plain'] ?? false) ? 0 : SOAP_SINGLE_ELEMENT_ARRAYS,
        'exceptions' => true,
    ];
    if (isset($order['compression'])) {
        $options['compression'] = SOAP_COMPRESSION_ACCEPT | constant($order['compression']) | 9;
    }
    if ($login['kind'] === 'basic') {
        $options += ['login' => $login['user'], 'password' => $login['password']];
    }
    $client = new SoapClient($order['wsdl'], $options);
    if ($login['kind'] === 'text') {
        $client->__setSoapHeaders([header_of($login)]);
    }
    $names = array_map(fn ($line) => preg_replace('/^\S+ (\w+)\(.*$/', '$1', $line), $client->__getFunctions());
    say(['operations' => array_values(array_unique($names))]);
    return $client;
}

$client = null;
while (($line = fgets(STDIN)) !== false) {
    $order = json_decode($line, true, 512, JSON_THROW_ON_ERROR);
    if ($client === null) {
        $client = open($order);
        continue;
    }
    try {
        $name = $order['operation'];
        $answer = $client->__soapCall($name, [(object) $order['arguments']]);
        say(['answer' => $answer->{"{$name}Result"}]);
    } catch (SoapFault $fault) {
        say(['fault' => ['code' => (string) $fault->faultcode, 'text' => (string) $fault->faultstring]]);
    }
}
