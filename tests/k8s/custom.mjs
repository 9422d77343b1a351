// Holds custom resources against the models of their kinds: every field by the types, which know no other ones, and every value
// by the schemas. `custom.mjs CACHE`, with a list of {where, object} as JSON on stdin; prints one fault a line.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const MODELS = {
  "cert-manager.io/v1": "@kubernetes-models/cert-manager/cert-manager.io/v1",
  "gateway.networking.k8s.io/v1": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1",
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
};

const folder = join(process.argv[2], "kubernetes");
const objects = JSON.parse(readFileSync(0, "utf8"));
const faults = [];
const typed = [];
for (const { where, object } of objects) {
  const model = `${MODELS[object.apiVersion]}/${object.kind}`;
  typed.push({ where, text: `((it: import("${model}").I${object.kind}) => it)(${JSON.stringify(object)});` });
  const path = join(folder, "node_modules", `${model}.js`);
  const { [object.kind]: Model } = await import(pathToFileURL(path));
  try {
    new Model(object).validate();
  } catch (error) {
    faults.push(`${where}: ${error.message}`);
  }
}

// One object a line, so that the line of an error says which one it is.
const source = join(folder, "objects.mts");
writeFileSync(source, `${typed.map((it) => it.text).join("\n")}\n`);
const compiler = join(folder, "node_modules/typescript/bin/tsc");
const options = ["--noEmit", "--strict", "--skipLibCheck", "--target", "es2022", "--module", "nodenext"];
try {
  execFileSync(process.execPath, [compiler, ...options, source], { cwd: folder, encoding: "utf8" });
} catch (error) {
  for (const line of (error.stdout?.trim() || error.message).split("\n")) {
    const place = /objects\.mts\((\d+),\d+\): (.*)/.exec(line);
    faults.push(place ? `${typed[place[1] - 1].where}: ${place[2]}` : line);
  }
}
if (faults.length) console.log(faults.join("\n"));
