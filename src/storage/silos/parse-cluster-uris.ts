import { MongoClient } from "mongodb";
import { badUserInput } from "../../kernel/errors.js";

/** An entry of `SILO_CLUSTER_URIS`. The name is what the tenant directory keeps, so it outlives the address. */
export interface ClusterAddress {
  readonly name: string;
  readonly uri: string;
}

const variable = "SILO_CLUSTER_URIS";
const expected = "entries such as eu-1=mongodb+srv://…, separated by white space; a name is 1 to 20 lower-case letters, digits or hyphens, a letter first";
/** A comma also stands between the hosts of one entry, and may in its options: only one before the start of an entry separates. */
const separator = /\s+|,\s*(?=(?:[a-z][a-z0-9-]{0,19}=)?mongodb(?:\+srv)?:\/\/)/;
const entryPattern = /^(?:([a-z][a-z0-9-]{0,19})=)?(mongodb(?:\+srv)?:\/\/.+)$/;

/** Throws `BAD_USER_INPUT` with the number of the entry and nothing of its text, which holds a password. */
export function parseClusterUris(text: string): readonly ClusterAddress[] {
  const entries = text.split(separator).filter((entry) => entry !== "");
  const clusters = entries.map((entry, index) => parseEntry(entry, index + 1));
  const twin = clusters.find(({ name }, index) => clusters.findIndex((other) => other.name === name) !== index);
  if (twin !== undefined) throw badUserInput(variable, `two entries named ${twin.name}`, "a name of its own for each");
  return Object.freeze(clusters);
}

function parseEntry(entry: string, number: number): ClusterAddress {
  const [, name, uri] = entryPattern.exec(entry) ?? [];
  const hosts = uri === undefined ? undefined : hostsOf(uri);
  if (uri === undefined || hosts === undefined) throw badUserInput(variable, `entry ${number} of another form`, expected);
  return Object.freeze({ name: name ?? hosts.join(","), uri });
}

/** The hosts of a connection string, without its credentials; undefined when the driver does not take it. */
export function hostsOf(uri: string): readonly string[] | undefined {
  try {
    // Connects to nothing: the driver parses a string in its constructor alone.
    const { srvHost, hosts } = new MongoClient(uri).options;
    return srvHost === undefined ? hosts.map((host) => host.toString()) : [srvHost];
  } catch {
    // The driver's error quotes the string, and with it the password.
    return undefined;
  }
}
