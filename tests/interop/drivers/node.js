// node-soap: reads {"wsdl", "location", "version", "calls": [{"operation", "arguments"}]} and answers each call with
// {"answer"} or {"fault": {"code", "text"}}.
"use strict";
const soap = require("soap");

const text = (value) => (value !== null && typeof value === "object" ? (value.$value ?? value._ ?? "") : value);

function fault(error) {
  const told = error.root?.Envelope?.Body?.Fault;
  if (!told) throw error;
  const code = told.faultcode ?? told.Code?.Value;
  const subcode = told.Code?.Subcode?.Value;
  const reason = told.faultstring ?? told.Reason?.Text;
  return { code: subcode ? `${text(code)}/${text(subcode)}` : text(code), text: text(reason) };
}

async function main() {
  let input = "";
  for await (const piece of process.stdin.setEncoding("utf8")) input += piece;
  const order = JSON.parse(input);
  const client = await soap.createClientAsync(order.wsdl, {
    endpoint: order.location,
    forceSoap12Headers: order.version === "1.2",
  });
  const said = [];
  for (const call of order.calls) {
    try {
      const [answer] = await client[`${call.operation}Async`](call.arguments);
      said.push({ answer });
    } catch (error) {
      said.push({ fault: fault(error) });
    }
  }
  process.stdout.write(JSON.stringify(said));
}

main().catch((error) => {
  console.error(error.message);
  process.exit(1);
});
