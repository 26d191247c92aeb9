// Compiles the Kotlin, Java and JavaScript of docs/mobile.md against stubs of the SDKs. Needs Java.

import { execFileSync } from "node:child_process";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";

const [page] = process.argv.slice(2);
const here = import.meta.dirname;
const out = join(here, "out");
rmSync(out, { recursive: true, force: true });
mkdirSync(join(out, "classes"), { recursive: true });

/** The page's blocks of one language, in its order. */
const blocks = (language) => [...readFileSync(page, "utf8").matchAll(new RegExp(`^\`\`\`${language}\n(.*?)^\`\`\``, "gms"))].map(([, code]) => code);
const write = (name, code) => (writeFileSync(join(out, name), code), join(out, name));
const run = (program, ...args) => execFileSync(program, args, { stdio: "inherit" });

// A Kotlin file has its imports on top.
const kotlin = blocks("kotlin").join("\n").split("\n");
const isImport = (line) => line.startsWith("import ");
const unit = [...new Set(kotlin.filter(isImport)), ...kotlin.filter((line) => !isImport(line))].join("\n");
const java = blocks("java").map((code) => write(`${/class (\w+)/.exec(code)[1]}.java`, code));
if (kotlin.length < 50 || java.length < 2) throw new Error("the page has lost its blocks");

const lib = join(here, "node_modules/kotlin-compiler/lib");
const classes = join(out, "classes");
const path = [classes, join(lib, "kotlin-stdlib.jar"), join(lib, "kotlinx-coroutines-core-jvm.jar")].join(":");
const stubs = ["JSONObject.java", ...["AuthenticationCallback", "AuthenticationDelegate", "AuthenticationError", "Smooch", "SmoochCallback"].map((name) => `smooch/${name}.java`)];
run("javac", "-d", classes, ...stubs.map((name) => join(here, "stubs", name)));
const kotlinc = ["-cp", join(lib, "kotlin-compiler.jar") + ":" + path, "org.jetbrains.kotlin.cli.jvm.K2JVMCompiler", "-no-stdlib", "-Werror", "-cp", path, "-d", classes];
run("java", ...kotlinc, join(here, "stubs/Zendesk.kt"), write("Page.kt", unit));
run("javac", "-Xlint:-rawtypes", "-cp", path, "-d", classes, ...java);
blocks("js").forEach((code, number) => run("node", "--check", write(`page-${number}.mjs`, code)));
console.log(`compiled: ${blocks("kotlin").length} of Kotlin, ${java.length} of Java, ${blocks("js").length} of JavaScript`);
