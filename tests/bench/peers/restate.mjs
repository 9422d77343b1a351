// Restate: a virtual object for each key, called through the ingress; its handlers are in a process
// of their own. A call is answered when the transition is in the log.
import { fork, spawn } from "node:child_process";
import { mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import * as restate from "@restatedev/restate-sdk";
import { atEnd, freePort, measure, MESSAGE, Received, STATE, tell, TIMER_MS, until } from "./measure.mjs";

const walk = restate.object({
  name: "walk",
  handlers: {
    moved: async (ctx) => {
      const state = (await ctx.get("state")) ?? "";
      ctx.set("state", STATE);
      const send = (call) => ctx.genericSend({ ...call, inputSerde: restate.serde.json });
      send({ service: "walk", method: "late", key: ctx.key, parameter: null, delay: TIMER_MS });
      send({ service: "diary", method: "write", parameter: MESSAGE });
      return state.length;
    },
    late: async () => {},
  },
});

const diary = restate.service({
  name: "diary",
  handlers: {
    write: async () => tell(),
  },
});

/** Makes a call with JSON, and resolves with the body of its answer. */
function post(agent, port, path, body) {
  return new Promise((resolve, reject) => {
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const call = request({ agent, host: "127.0.0.1", port, path, method: "POST", headers }, (answer) => {
      let text = "";
      answer.setEncoding("utf8");
      answer.on("data", (part) => (text += part));
      answer.on("end", () => {
        if (answer.statusCode < 300) resolve(text);
        else reject(new Error(`${path} answers ${answer.statusCode}: ${text}`));
      });
      answer.on("error", reject);
    });
    call.on("error", reject);
    call.end(body);
  });
}

/** Starts the server on ports of its own, its files in a folder. */
function startServer(folder, [ingress, admin, node]) {
  const { platform, arch } = process;
  const binary = `@restatedev/restate-server-${platform}-${arch}/bin/restate-server`;
  const log = openSync(join(folder, "log"), "w");
  return spawn(createRequire(import.meta.url).resolve(binary), ["--no-logo", "--listen-mode", "tcp"], {
    stdio: ["ignore", log, log],
    env: {
      ...process.env,
      RESTATE_BASE_DIR: join(folder, "data"),
      RESTATE_BIND_ADDRESS: `127.0.0.1:${node}`,
      RESTATE_INGRESS__BIND_ADDRESS: `127.0.0.1:${ingress}`,
      RESTATE_ADMIN__BIND_ADDRESS: `127.0.0.1:${admin}`,
      RESTATE_DISABLE_TELEMETRY: "true",
      RESTATE_LOG_FILTER: "warn",
    },
  });
}

async function main() {
  const folder = mkdtempSync(join(tmpdir(), "happypath-restate-"));
  const [ingress, admin, node, handlers] = [await freePort(), await freePort(), await freePort(), await freePort()];
  const server = startServer(folder, [ingress, admin, node]);
  const service = fork(fileURLToPath(import.meta.url), ["serve", handlers], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  const agent = new Agent({ keepAlive: true, maxSockets: 128 });
  atEnd(() => {
    service.kill("SIGKILL");
    server.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true, maxRetries: 9 });
  });
  const deployment = JSON.stringify({ uri: `http://127.0.0.1:${handlers}` });
  await until(() => post(agent, admin, "/deployments", deployment)).catch((error) => {
    const log = readFileSync(join(folder, "log"), "utf8").slice(-2_000);
    throw new Error(`Restate does not serve: ${error.message}\n${log}`);
  });
  const received = new Received();
  service.on("message", (count) => received.add(count));
  const move = (key) => post(agent, ingress, `/walk/${key}/moved`, "");
  await until(() => move("first"));
  await received.all(1);
  const processes = [server.pid, service.pid];
  await measure({ system: "Restate, Node SDK", durability: "fsync", processes, move, received });
}

if (process.argv[2] === "serve") {
  // The SDK wants Node 22 for this; older ones can do the rest.
  Promise.withResolvers ??= () => {
    const made = {};
    made.promise = new Promise((resolve, reject) => Object.assign(made, { resolve, reject }));
    return made;
  };
  await restate.serve({ services: [walk, diary], port: Number(process.argv[3]) });
} else {
  await main();
  process.exit(0);
}
