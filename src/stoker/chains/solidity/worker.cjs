// Compiles what it is handed, one input at a time: frames of a length (4 bytes, big-endian) and as
// many bytes of JSON, in on stdin and out on stdout. The first that goes out says who compiles. It
// reads no file but the compiler's own, whose directory is its argument.
'use strict';
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');

function send(text) {
  const body = Buffer.from(text);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(body.length);
  process.stdout.write(Buffer.concat([head, body]));
}

function listen(thread) {
  let held = [];
  let size = 0;
  let wanted = -1;
  process.stdin.on('data', (data) => {
    held.push(data);
    size += data.length;
    while (size >= (wanted < 0 ? 4 : wanted)) {
      const all = Buffer.concat(held);
      if (wanted < 0) {
        wanted = 4 + all.readUInt32BE(0);
        held = [all];
      } else {
        thread.postMessage(all.toString('utf8', 4, wanted));
        held = [all.subarray(wanted)];
        size -= wanted;
        wanted = -1;
      }
    }
  });
  // A compilation may go on for ever, and whoever wanted it is gone.
  process.stdin.on('end', () => process.kill(process.pid, 'SIGKILL'));
}

if (isMainThread) {
  const thread = new Worker(__filename, { workerData: process.argv[2], stdout: true });
  thread.stdout.pipe(process.stderr); // What the compiler prints is no answer.
  thread.on('message', send);
  thread.on('error', (error) => {
    process.stderr.write(`${error && error.stack ? error.stack : error}\n`, () => process.exit(1));
  });
  listen(thread);
} else {
  const solc = require(workerData);
  parentPort.postMessage(JSON.stringify({ version: solc.version() }));
  parentPort.on('message', (input) => parentPort.postMessage(solc.compile(input)));
}
