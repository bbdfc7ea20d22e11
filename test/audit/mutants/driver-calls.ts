/** Finds, in the source of `src/storage`, every call of the driver that reads or writes rows. By types, so that no name and no cast hides one. */
import { relative } from "node:path";
import ts from "typescript";
import { internal } from "../../../src/kernel/errors.js";

/** Methods of the driver's `Collection` that touch rows, and where in their arguments the tenant stands. */
const rowMethods: Readonly<Record<string, number>> = {
  find: 0, findOne: 0, findOneAndUpdate: 0, findOneAndDelete: 0, findOneAndReplace: 0, countDocuments: 0, distinct: 1, aggregate: 0, watch: 0,
  updateOne: 0, updateMany: 0, replaceOne: 0, deleteOne: 0, deleteMany: 0, insertOne: 0, insertMany: 0, bulkWrite: 0, estimatedDocumentCount: 0, initializeOrderedBulkOp: 0, initializeUnorderedBulkOp: 0,
};

export interface DriverCall {
  /** Below `src/storage`. */
  readonly file: string;
  readonly method: string;
  /** The function or method it stands in. */
  readonly within: string;
  /** Of the calls of this method in that function, which one, from 1. */
  readonly nth: number;
  /** Where the argument with the tenant stands in the file's text; undefined for a call without one. */
  readonly argument: { readonly start: number; readonly end: number } | undefined;
}

/** Stable while the code around it moves. */
export function nameOfCall({ file, within, method, nth }: DriverCall): string {
  return `${file} ${within}: ${method}${nth === 1 ? "" : ` ${nth}`}`;
}

export function findDriverCalls(root: string): readonly DriverCall[] {
  const config = ts.getParsedCommandLineOfConfigFile(`${root}/tsconfig.json`, {}, { ...ts.sys, onUnRecoverableConfigFileDiagnostic: ({ messageText }) => { throw internal(ts.flattenDiagnosticMessageText(messageText, " ")); } });
  if (config === undefined) throw internal("The compiler's configuration cannot be read");
  const folder = `${root}/src/storage/`;
  const program = ts.createProgram(config.fileNames.filter((name) => name.startsWith(folder)), config.options);
  const checker = program.getTypeChecker();
  return program.getSourceFiles().filter(({ fileName }) => fileName.startsWith(folder)).flatMap((source) => callsIn(source, checker, relative(folder, source.fileName)));
}

function callsIn(source: ts.SourceFile, checker: ts.TypeChecker, file: string): readonly DriverCall[] {
  const calls: DriverCall[] = [];
  const seen = new Map<string, number>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node) && ts.isPropertyAccessExpression(node.expression)) {
      const method = node.expression.name.text;
      const at = rowMethods[method];
      if (at !== undefined && isDriverMethod(checker.getSymbolAtLocation(node.expression.name))) {
        const within = nameOfFunction(node);
        const nth = (seen.get(`${within} ${method}`) ?? 0) + 1;
        seen.set(`${within} ${method}`, nth);
        const argument = node.arguments[at];
        calls.push({ file, method, within, nth, argument: argument === undefined ? undefined : { start: argument.getStart(source), end: argument.getEnd() } });
      }
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return calls;
}

/** Declared in the driver: of ours, a `find` or a `count` is not meant. */
function isDriverMethod(symbol: ts.Symbol | undefined): boolean {
  return (symbol?.declarations ?? []).some((declaration) => declaration.getSourceFile().fileName.includes("/node_modules/mongodb/") && ts.isClassDeclaration(declaration.parent) && declaration.parent.name?.text === "Collection");
}

function nameOfFunction(node: ts.Node): string {
  for (let at: ts.Node | undefined = node.parent; at !== undefined; at = at.parent) {
    if ((ts.isFunctionDeclaration(at) || ts.isMethodDeclaration(at)) && at.name !== undefined) return at.name.getText();
  }
  return "module";
}
