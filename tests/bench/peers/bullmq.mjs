// BullMQ on a Redis of its own: a job for each transition, a delayed job as timer, and a job in
// another queue as message. An event is acknowledged when its job is added.
import { fork, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Queue, Worker } from "bullmq";
import Redis from "ioredis";
import { atEnd, freePort, measure, MESSAGE, Received, STATE, tell, TIMER_MS, until } from "./measure.mjs";

/** Jobs that one worker has under way. */
const CONCURRENCY = 128;
const KEPT = { removeOnComplete: true, removeOnFail: true };

function connect(port) {
  return new Redis({ host: "127.0.0.1", port, maxRetriesPerRequest: null });
}

/** Works on transitions, and takes messages. */
function work(port) {
  const connection = connect(port);
  const queue = (name) => new Queue(name, { connection, defaultJobOptions: KEPT });
  const [timers, diary] = [queue("timers"), queue("diary")];
  const options = () => ({ connection: connect(port), concurrency: CONCURRENCY });
  const moved = async ({ data: { key } }) => {
    await connection.get(`state:${key}`);
    await Promise.all([
      connection.set(`state:${key}`, STATE),
      timers.add("late", { key }, { delay: TIMER_MS }),
      diary.add("write", { text: MESSAGE }),
    ]);
  };
  return [
    new Worker("moved", moved, options()),
    new Worker("diary", async () => tell(), options()),
  ];
}

async function main([durability, fsync]) {
  const folder = mkdtempSync(join(tmpdir(), "happypath-bullmq-"));
  const port = await freePort();
  const log = ["--appendonly", "yes", "--appendfsync", fsync, "--save", ""];
  const server = spawn("redis-server", ["--bind", "127.0.0.1", "--port", port, "--dir", folder, ...log], { stdio: "ignore" });
  let worker;
  atEnd(() => {
    worker?.kill("SIGKILL");
    server.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 9 });
  });
  await new Promise((resolve, reject) => server.once("spawn", resolve).once("error", reject));
  const client = connect(port);
  client.on("error", () => {});
  await until(() => client.ping());
  worker = fork(fileURLToPath(import.meta.url), ["work", port], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const received = new Received();
  worker.on("message", (count) => received.add(count));
  const queue = new Queue("moved", { connection: client, defaultJobOptions: KEPT });
  const move = (key) => queue.add("moved", { key });
  await move("first");
  await received.all(1);
  const processes = [server.pid, worker.pid];
  await measure({ system: "BullMQ", durability, processes, move, received });
}

if (process.argv[2] === "work") {
  work(Number(process.argv[3]));
} else {
  await main(process.argv[2] === "everysec" ? ["everysec", "everysec"] : ["fsync", "always"]);
  process.exit(0);
}
