export type GatewaySystem = "bulkhead" | "apollo" | "apollo streaming" | "model";
