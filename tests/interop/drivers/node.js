// node-soap; see __init__.py for what goes in and out.
"use strict";
const readline = require("node:readline");
const soap = require("soap");

const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);
const text = (value) => (value !== null && typeof value === "object" ? (value.$value ?? value._ ?? "") : value);

const LOGINS = {
  text: (user, password) => new soap.WSSecurity(user, password, { mustUnderstand: true }),
  digest: (user, password) => new soap.WSSecurity(user, password, { passwordType: "PasswordDigest" }),
  basic: (user, password) => new soap.BasicAuthSecurity(user, password),
};

async function open(order) {
  const client = await soap.createClientAsync(order.wsdl, {
    endpoint: order.location,
    forceSoap12Headers: order.version === "1.2",
  });
  if (order.login) client.setSecurity(LOGINS[order.login.kind](order.login.user, order.login.password));
  const operations = Object.values(Object.values(client.describe())[0]).flatMap((port) => Object.keys(port));
  say({ operations: [...new Set(operations)] });
  return client;
}

function fault(error) {
  const told = error.root?.Envelope?.Body?.Fault;
  if (!told) return { error: error.message };
  const code = told.faultcode ?? told.Code?.Value;
  const subcode = told.Code?.Subcode?.Value;
  const reason = told.faultstring ?? told.Reason?.Text;
  return { fault: { code: subcode ? `${text(code)}/${text(subcode)}` : text(code), text: text(reason) } };
}

async function main() {
  let client = null;
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const order = JSON.parse(line);
    if (client === null) {
      client = await open(order);
      continue;
    }
    try {
      const [answer] = await client[`${order.operation}Async`](order.arguments);
      say({ answer: answer[`${order.operation}Result`] });
    } catch (error) {
      say(fault(error));
    }
  }
}

main().catch((error) => {
  console.error(error);
  process.exit(1);
});
