<?php
// PHP's SoapClient: reads {"wsdl", "location", "version", "calls": [{"operation", "arguments"}]} and answers each call
// with {"answer"} or {"fault": {"code", "text"}}.
$order = json_decode(stream_get_contents(STDIN), true);
$client = new SoapClient($order['wsdl'], [
    'location' => $order['location'],
    'soap_version' => $order['version'] === '1.2' ? SOAP_1_2 : SOAP_1_1,
    'cache_wsdl' => WSDL_CACHE_NONE,
    'features' => SOAP_SINGLE_ELEMENT_ARRAYS,
    'exceptions' => true,
]);
$said = [];
foreach ($order['calls'] as $call) {
    try {
        $said[] = ['answer' => $client->__soapCall($call['operation'], [(object) $call['arguments']])];
    } catch (SoapFault $fault) {
        $said[] = ['fault' => ['code' => (string) $fault->faultcode, 'text' => (string) $fault->faultstring]];
    }
}
echo json_encode($said, JSON_UNESCAPED_UNICODE | JSON_THROW_ON_ERROR);
