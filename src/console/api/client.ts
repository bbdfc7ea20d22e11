import { ApolloClient, ApolloLink, HttpLink, InMemoryCache } from "@apollo/client";
import { ErrorLink } from "@apollo/client/link/error";
import { GraphQLWsLink } from "@apollo/client/link/subscriptions";
import { OperationTypeNode } from "graphql";
import { createClient } from "graphql-ws";
import { faultOf, noteRequestId, type Fault } from "./fault.ts";

/** Closed without a word, the socket is opened again and every subscription sent again with the same variables. */
const retriesMax = 8;

/** A client of one token; another token gets another, so that nothing remembered under one is shown under the next. */
export function openApi(token: string, onUnauthenticated: (fault: Fault) => void): ApolloClient {
  const authorization = `Bearer ${token}`;
  // Open while something streams, closed when nothing does.
  const socket = createClient({
    url: () => `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/graphql`,
    connectionParams: { authorization },
    retryAttempts: retriesMax,
    // 4403 says that this token may not; asking again does not change that.
    shouldRetry: (event) => !(event instanceof CloseEvent && event.code === 4403),
  });
  const watch = new ErrorLink(({ error, operation }) => {
    const { response } = operation.getContext() as { readonly response?: Response };
    noteRequestId(error, response?.headers.get("x-request-id"));
    const fault = faultOf(error);
    // One field's FORBIDDEN is a page's business; a token that is not valid is everyone's.
    if (fault.code === "UNAUTHENTICATED") onUnauthenticated(fault);
  });
  const link = ApolloLink.split(({ operationType }) => operationType === OperationTypeNode.SUBSCRIPTION, new GraphQLWsLink(socket), new HttpLink({ uri: "/graphql", headers: { authorization } }));
  return new ApolloClient({
    link: watch.concat(link),
    cache: new InMemoryCache(),
    defaultOptions: { watchQuery: { fetchPolicy: "cache-and-network" } },
    clientAwareness: { name: "bulkhead-console" },
  });
}

