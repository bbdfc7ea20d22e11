import type { Collection } from "mongodb";
import type { MarkerStore } from "./control-plane.js";

export interface MarkerDocument {
  _id: string;
  at: Date;
}

export class MongoMarkerStore implements MarkerStore {
  constructor(private readonly markers: Collection<MarkerDocument>) {}

  async has(name: string): Promise<boolean> {
    return (await this.markers.findOne({ _id: name })) !== null;
  }

  async set(name: string): Promise<void> {
    await this.markers.updateOne({ _id: name }, { $setOnInsert: { at: new Date() } }, { upsert: true, writeConcern: { w: "majority" } });
  }
}
