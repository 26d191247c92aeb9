// The package as a site gets it: what is in it, its types, and a Vite project with React and strict
// TypeScript that is built with it.

import assert from "node:assert/strict";
import { readFile, readdir, writeFile } from "node:fs/promises";
import { before, test } from "node:test";
import { build } from "vite";
import { app, folder, install, installed, passes } from "./site.mjs";

const manifest = JSON.parse(await readFile(`${folder}/web/package.json`, "utf8"));
before(install);

test("the package holds what it exports and its README, and depends on nothing", async () => {
  const files = (await readdir(installed)).sort();
  assert.deepEqual(files, ["README.md", "chat-identity.d.ts", "chat-identity.js", "package.json", "types.d.ts", "use-chat-identity.d.ts", "use-chat-identity.js"]);
  for (const { types, default: file } of Object.values(manifest.exports).filter((to) => to.types)) {
    for (const path of [types, file]) assert.ok(files.includes(path.slice(2)), path);
  }
  assert.equal(manifest.dependencies, undefined);
});

test("the declarations are those that tsc makes of the source", async () => {
  const out = `${folder}/declarations`;
  await passes("node_modules/.bin/tsc", ["--project", ".", "--noEmit", "false", "--declaration", "--emitDeclarationOnly", "--outDir", out]);
  for (const file of ["chat-identity.d.ts", "use-chat-identity.d.ts"]) {
    const [made, kept] = await Promise.all([out, `${folder}/web`].map((from) => readFile(`${from}/${file}`, "utf8")));
    assert.equal(kept, made, `copy ${out}/${file} to examples/web`);
  }
});

test("a strict project finds the types, and they are right", async () => {
  await passes("node_modules/.bin/tsc", ["--project", "app"]);
});

test("a Vite project with React is built with it", async () => {
  await passes("node_modules/.bin/vite", ["build", "--logLevel", "error", "--emptyOutDir"], app);
});

for (const [name, isThere, isNotThere] of [
  ["connectPuzzel", "codeChallenge", "onInvalidAuth"],
  ["connectZendesk", "loginUser", "codeChallenge"],
]) {
  test(`a site that uses ${name} alone gets nothing else`, async () => {
    const entry = `${app}/only-${name}.js`;
    await writeFile(entry, `export { ${name} } from "chat-identity";\n`);
    const lib = { entry, formats: ["es"], fileName: "out" };
    const [{ output }] = await build({ root: app, configFile: false, logLevel: "error", build: { write: false, lib } });
    const [{ code }] = output;
    assert.match(code, new RegExp(isThere));
    assert.doesNotMatch(code, new RegExp(isNotThere));
  });
}
