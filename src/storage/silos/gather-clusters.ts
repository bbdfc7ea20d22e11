import type { Telemetry } from "../../kernel/telemetry.js";
import { AtlasApi, type AtlasApiOptions } from "../atlas/atlas-api.js";
import type { MongoLogin } from "../mongo-connection.js";
import { Cluster, type ClusterOptions } from "./cluster.js";
import { Clusters } from "./clusters.js";
import { hostsOf, type ClusterAddress } from "./parse-cluster-uris.js";

export interface GivenClusters {
  readonly main: { readonly uri: string; readonly login?: MongoLogin };
  /** The main deployment is the embedded engine in this process. */
  readonly embedded: boolean;
  readonly named: readonly ClusterAddress[];
  readonly atlas?: AtlasApiOptions | undefined;
  /** How long a server is waited for, in ms. Tests of its absence shorten it. */
  readonly waitMsMax?: number;
}

/** The control plane, rate limits and declarations of every tenant run through it. */
const mainConnectionsMax = 64;
/** Declarations alone, one silo after the other. */
const namedConnectionsMax = 4;

/** Opens nothing yet. */
export function gatherClusters({ main, embedded, named, atlas, waitMsMax }: GivenClusters, telemetry: Telemetry): Clusters {
  const api = atlas === undefined ? undefined : new AtlasApi(atlas);
  const make = (options: Pick<ClusterOptions, "name" | "uri" | "login" | "local" | "adminConnectionsMax">): Cluster => {
    const onAtlas = isOnAtlas(options.uri);
    return new Cluster({ ...options, telemetry, onAtlas, waitMsMax, ...(api === undefined || !onAtlas ? {} : { atlas: api }) });
  };
  return new Clusters(
    make({ ...main, local: embedded, adminConnectionsMax: mainConnectionsMax }),
    named.map((address) => make({ ...address, local: false, adminConnectionsMax: namedConnectionsMax })),
    telemetry,
  );
}

/** All of Atlas's clusters, behind private endpoints too, have their names in these domains. */
function isOnAtlas(uri: string): boolean {
  return (hostsOf(uri) ?? []).every((host) => /\.mongodb(?:gov)?\.net(?::\d+)?$/i.test(host));
}
