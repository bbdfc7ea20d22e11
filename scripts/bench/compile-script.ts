import { cpSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import ts from "typescript";

const root = fileURLToPath(new URL("../..", import.meta.url));

/**
 * The sources as JavaScript, as `npm start` runs them. Under tsx our functions alone would be given
 * their names by calls in the hot path, and each `require` of Apollo's would go through its hooks.
 * Inside `node_modules`, so that the packages are found from there.
 * The caller removes the folder.
 */
export function compileScript(script: string): string {
  const cache = join(root, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const built = mkdtempSync(join(cache, "bench-"));
  const { options } = ts.convertCompilerOptionsFromJson(readConfig(), root);
  const compilerOptions = { ...options, noEmit: false, module: ts.ModuleKind.ES2022, moduleResolution: ts.ModuleResolutionKind.Bundler };
  const files = new Set([join(root, script)]);
  // Grows while it is walked: by what each file still imports once its types are gone.
  for (const fileName of files) {
    const { outputText } = ts.transpileModule(readFileSync(fileName, "utf8"), { fileName, compilerOptions });
    const target = join(built, relative(root, fileName)).replace(/\.ts$/, ".js");
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, outputText);
    for (const { fileName: imported } of ts.preProcessFile(outputText).importedFiles) {
      if (imported.startsWith(".")) files.add(join(dirname(fileName), imported).replace(/\.js$/, ".ts"));
    }
  }
  writeFileSync(join(built, "package.json"), '{ "type": "module" }');
  for (const folder of ["tenants", "schema"]) cpSync(join(root, folder), join(built, folder), { recursive: true });
  return built;
}

function readConfig(): unknown {
  const { config } = ts.readConfigFile(join(root, "tsconfig.json"), (path) => readFileSync(path, "utf8")) as { config?: { compilerOptions?: unknown } };
  return config?.compilerOptions;
}
