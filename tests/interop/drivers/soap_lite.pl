# SOAP::Lite; see __init__.py for what goes in and out. Arguments that come as a list go by position, through the stub
# that SOAP::Lite makes of the contract; by name they go without it, and then nothing tells that a text is one.
use strict;
use warnings;
use JSON::PP;
use SOAP::Lite;

use constant WSSE => 'http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd';

$| = 1;
my $json = JSON::PP->new->utf8->canonical->allow_nonref;
sub say_it { print $json->encode($_[0]), "\n" }

my $order = $json->decode(scalar <STDIN>);
SOAP::Lite->soapversion($order->{version});

sub by_name {
    my ($name, $value) = @_;
    my $data = SOAP::Data->name($name);
    return $data->value(\SOAP::Data->value(map { by_name($_, $value->{$_}) } sort keys %$value)) if ref $value eq 'HASH';
    return map { by_name($name, $_) } @$value if ref $value eq 'ARRAY';
    return $order->{untyped} ? $data->value($value) : $data->type(string => $value);
}

sub headers {
    my $login = $order->{login} or return;
    return SOAP::Header->name('wsse:Security')->attr({ 'xmlns:wsse' => WSSE })->value(
        \SOAP::Header->name('wsse:UsernameToken')->value(
            \SOAP::Header->value(
                SOAP::Header->name('wsse:Username')->type(string => $login->{user}),
                SOAP::Header->name('wsse:Password')->type(string => $login->{password}))));
}

sub made { SOAP::Lite->proxy($order->{location})->on_fault(sub { $_[1] })->soapversion($order->{version}) }

# The stub's own address is that of the contract, whatever it is told.
my $stub = SOAP::Lite->service($order->{wsdl});
{
    no strict 'refs';
    my $class = ref $stub;
    *{"${class}::endpoint"} = sub { my $self = shift; @_ ? $self : $self->SOAP::Lite::endpoint };
    $stub->proxy($order->{location});
    $stub->want_som(1);
    say_it({ operations => [sort @{"${class}::EXPORT_OK"}] });
}

sub answered {
    my $answer = shift;
    return { error => "$answer" } if !ref $answer;
    my $fault = $answer->fault or return { answer => $answer->result };
    return { fault => { code => $answer->faultcode, text => $answer->faultstring } } if $fault->{faultcode};
    return { fault => { code => "$fault->{Code}{Value}/$fault->{Code}{Subcode}{Value}", text => $fault->{Reason}{Text} } };
}

while (my $line = <STDIN>) {
    my $call = $json->decode($line);
    my ($name, $arguments) = @$call{qw(operation arguments)};
    my $said = eval {
        return answered($stub->$name(@$arguments)) if ref $arguments eq 'ARRAY';
        my $client = made()->ns('urn:smsbridge:1')->on_action(sub { qq("urn:smsbridge:1/$name") });
        answered($client->call($name, headers(), map { by_name($_, $arguments->{$_}) } sort keys %$arguments));
    };
    say_it($said // { error => "$@" });
}
