// Nodemailer: one order on stdin, {"pool": whether on one kept connection, "transport": {…}, "mails": [{…}, …]}; out
// goes a line for each mail: what Nodemailer says of it, or its error.
const nodemailer = require('nodemailer');
const { readFileSync } = require('node:fs');

async function main() {
  const order = JSON.parse(readFileSync(0, 'utf8'));
  if (order.ca) order.transport.tls = { ca: readFileSync(order.ca) };
  const transport = nodemailer.createTransport(order.transport);
  const told = await Promise.all(order.mails.map(async (mail) => {
    try {
      const { accepted, rejectedErrors, response } = await transport.sendMail(mail);
      return { accepted, response, rejected: rejectedErrors?.map(({ response: reply }) => reply) };
    } catch ({ code, message }) {
      return { code, message };
    }
  }));
  transport.close();
  told.forEach((each) => console.log(JSON.stringify(each)));
}

main();
