import { responsePathAsArray, type GraphQLResolveInfo } from "graphql";

/** The response path of a field, such as `first.ask`: with the request id it names one spending of one operation. */
export function responsePath(info: GraphQLResolveInfo): string {
  return responsePathAsArray(info.path).join(".");
}
