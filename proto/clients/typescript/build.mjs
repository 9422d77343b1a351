// Makes the package in `dist`: the contracts in TypeScript, the reasons for which calls fail, and all of it in JavaScript.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = fileURLToPath(new URL('.', import.meta.url));
const programs = join(here, 'node_modules/.bin');
// A line such as: InvalidRequest = "INVALID_REQUEST", InvalidArgument, "Correct every field."; a remedy may stand on the
// next line.
const reasonLine = /^ {4}\w+ = "([A-Z_]+)", \w+,\s*("(?:[^"\\]|\\.)*");/gm;

/** Runs a program of the packages that the build needs. */
function run(program, ...args) {
  const env = { ...process.env, PATH: `${programs}${delimiter}${process.env.PATH}` };
  execFileSync(join(programs, program), args, { cwd: here, env, stdio: 'inherit' });
}

/** Returns a module of the reasons with their remedies, from the list of the services. */
function reasons() {
  const list = readFileSync(join(here, '../../../shared/rpc/src/reason.rs'), 'utf8');
  const found = [...list.matchAll(reasonLine)];
  if (!found.length || found.length !== list.match(/^ {4}\w+ = "/gm).length) {
    throw new Error(`${found.length} reasons are found in shared/rpc/src/reason.rs, which is not all of them`);
  }
  const lines = found.map(([, reason, remedy]) => `  ${reason}: ${remedy},\n`).join('');
  const title = '/** The reasons for which calls fail, with the remedy of each. Generated. */';
  return `${title}\nexport const remedies: Record<string, string> = {\n${lines}};\n`;
}

for (const folder of ['src/gen', 'dist']) rmSync(join(here, folder), { recursive: true, force: true });
mkdirSync(join(here, 'src/gen'), { recursive: true });
run('buf', 'generate');
writeFileSync(join(here, 'src/gen/reasons.ts'), reasons());
run('tsc', '-p', '.');
