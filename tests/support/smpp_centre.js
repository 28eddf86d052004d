// A message centre (SMPP 3.4) made of the npm package smpp. Commands come as lines of JSON on stdin, what happens goes
// out as lines of JSON on stdout; the first says on which port it listens.
//
//   {"tell": NUMBER, "as": "throttle"}   how texts to a number are treated; see `treat`
//   {"deliver": {…}}                     a deliver_sm to whoever is bound to receive; fields as in the protocol
//   {"delay": [BEFORE, AFTER]}           up to so many ms before a text is taken, and before it is answered
//   {"drop": true}                       break all connections
//   {"echo": ANYTHING}                   said again, after all that was said before it
"use strict";
const readline = require("readline");
const smpp = require("smpp");

const [, , port, password, certificate, key] = process.argv;
const told = new Map();
const sessions = new Set();
let serial = 0x1a0;
let delay = [0, 0];

const say = (event) => process.stdout.write(JSON.stringify(event) + "\n");
const later = (longest, what) => (longest ? setTimeout(what, Math.random() * longest) : what());
const hex = (buffer) => (Buffer.isBuffer(buffer) ? buffer.toString("hex") : buffer);

function text(pdu) {
  const carried = pdu.message_payload ?? pdu.short_message;
  return { text: carried.message, header: (carried.udh ?? []).map(hex) };
}

function report(session, pdu, id, stat) {
  const receiver = session.receives ? session : [...sessions].find((each) => each.receives);
  receiver?.deliver_sm({
    source_addr: pdu.destination_addr,
    destination_addr: pdu.source_addr,
    esm_class: 0x04,
    short_message: `id:${id} sub:001 dlvrd:001 submit date:2611200900 done date:2611200901 stat:${stat} err:000 text:`,
  }, (answer) => say({ event: "reported", id, status: answer.command_status }));
}

function treat(session, pdu) {
  const id = (serial++).toString(16).toUpperCase();
  const as = told.get(pdu.destination_addr) ?? "accept";
  const { text: words, header } = text(pdu);
  const arrived = {
    event: "submitted", id, as, number: pdu.destination_addr, sender: pdu.source_addr, text: words, header,
    source_ton: pdu.source_addr_ton, source_npi: pdu.source_addr_npi, data_coding: pdu.data_coding,
    esm_class: pdu.esm_class, registered: pdu.registered_delivery, priority: pdu.priority_flag, validity: String(pdu.validity_period ?? ""),
    sar: [pdu.sar_msg_ref_num, pdu.sar_total_segments, pdu.sar_segment_seqnum], payload: pdu.message_payload != null,
  };
  const statuses = { throttle: 0x58, full: 0x14, refuse: 0x0b, system: 0x08, vendor: 0x413, temporary: 0x64 };
  if (as in statuses) {
    session.send(pdu.response({ command_status: statuses[as] }));
    say({ ...arrived, event: "turned away" });
  } else if (as === "deaf") {
    say({ ...arrived, event: "not heard" });
  } else {
    say(arrived);
    if (as === "break") session.destroy();
    else if (as !== "silent") later(delay[1], () => session.send(pdu.response({ message_id: id })));
    if (pdu.registered_delivery & 1) {
      if (as === "delivered" || as === "undelivered") report(session, pdu, id, as === "delivered" ? "DELIVRD" : "UNDELIV");
      if (as === "decimal") report(session, pdu, String(parseInt(id, 16)), "DELIVRD");
    }
    if (as.startsWith("reply:")) {
      session.deliver_sm({
        source_addr: pdu.destination_addr, source_addr_ton: 1, source_addr_npi: 1, destination_addr: pdu.source_addr, dest_addr_ton: pdu.source_addr_ton,
        data_coding: 8, short_message: Buffer.from(as.slice(6), "utf16le").swap16(),
      }, (answer) => say({ event: "replied", status: answer.command_status }));
    }
  }
}

function bound(session, mode, pdu) {
  if (pdu.password !== password) {
    session.send(pdu.response({ command_status: 0x0e }));
    session.close();
    say({ event: "refused", mode });
    return;
  }
  session.receives = mode !== "transmitter";
  sessions.add(session);
  session.send(pdu.response({ system_id: "centre" }));
  say({ event: "bound", mode, system_id: pdu.system_id });
}

function serve(session) {
  for (const mode of ["transceiver", "transmitter", "receiver"]) {
    session.on(`bind_${mode}`, (pdu) => bound(session, mode, pdu));
  }
  session.on("submit_sm", (pdu) => later(delay[0], () => treat(session, pdu)));
  session.on("enquire_link", (pdu) => {
    if (told.get("enquire_link") !== "silent") session.send(pdu.response());
    say({ event: "enquired" });
  });
  session.on("unbind", (pdu) => {
    session.send(pdu.response());
    session.close();
    say({ event: "unbound" });
  });
  session.on("error", () => session.destroy());
  session.on("close", () => sessions.delete(session));
}

const fs = require("fs");
const server = certificate
  ? smpp.createServer({ cert: fs.readFileSync(certificate), key: fs.readFileSync(key) }, serve)
  : smpp.createServer(serve);
server.listen(Number(port), "127.0.0.1", () => say({ event: "listening", port: server.address().port }));

readline.createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if (command.echo) say({ event: "echo", echo: command.echo });
  if (command.tell) told.set(command.tell, command.as);
  if (command.delay) delay = command.delay;
  if (command.drop) for (const session of sessions) session.destroy();
  if (command.deliver) {
    const fields = { ...command.deliver };
    for (const name of ["short_message", "message_payload"]) {
      if (typeof fields[name] === "string") fields[name] = Buffer.from(fields[name], "hex");
    }
    const receiver = [...sessions].find((each) => each.receives);
    if (!receiver) say({ event: "nobody" });
    else receiver.deliver_sm(fields, (answer) => say({ event: "answered", status: answer.command_status }));
  }
}).on("close", () => process.exit(0));
