/**
 * A tenant's own models and what they are trained from: the ports of `adapter-store.ts` and
 * `feedback-store.ts`. An adapter belongs to the tenant as a document does; another tenant's is missing.
 */
import type { AdapterId, TenantId, UserId } from "../kernel/ids.js";
import type { Page, PageRequest } from "../kernel/page.js";
import type { TierPolicy } from "../tenancy/tier-policy.js";

/** Trained here from the tenant's own rows, or brought as a file of weights. */
export type AdapterOrigin = "TRAINED" | "FILE";
export type AdapterState = "PREPARING" | "UPLOADING" | "TRAINING" | "IMPORTED" | "READY" | "FAILED";
/** `REMOVING`: deleted for everyone but the work that is still to be done at the provider. */
export type StoredAdapterState = AdapterState | "REMOVING";
export type Rating = "GOOD" | "BAD";

export interface AdapterRow {
  readonly tenantId: TenantId;
  readonly id: AdapterId;
  readonly name: string;
  readonly baseModel: string;
  readonly origin: AdapterOrigin;
  readonly state: AdapterState;
  readonly examples: number;
  readonly failure?: { readonly code: string; readonly message: string };
  /** Size of the file that was imported, and its SHA-256 in hexadecimal. */
  readonly weights?: { readonly bytes: number; readonly sha256: string };
  /** The provider's name of the trained model. For the inference pool alone: no caller sees it. */
  readonly upstreamModel?: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** An adapter as its background work sees it. */
export interface AdapterWork {
  readonly tenantId: TenantId;
  readonly id: AdapterId;
  readonly baseModel: string;
  readonly origin: AdapterOrigin;
  readonly state: StoredAdapterState;
  /** SHA-256 of each example, in the order of the training file. */
  readonly manifest?: readonly string[];
  readonly trainingFile?: string;
  readonly trainingJob?: string;
  readonly upstreamModel?: string;
  /** The most that its training can be billed, in tokens. With the manifest. */
  readonly tokensMax?: number;
  readonly createdAt: Date;
}

/** What one step of the work changes. `null` takes a field away. */
export interface AdapterProgress {
  readonly state?: StoredAdapterState;
  readonly trainingFile?: string | null;
  readonly trainingJob?: string;
  readonly upstreamModel?: string;
  readonly failure?: { readonly code: string; readonly message: string };
}

export type AdapterClaim =
  | { readonly kind: "CLAIMED"; readonly work: AdapterWork }
  /** Another server's until then. */
  | { readonly kind: "BUSY"; readonly until: Date }
  /** Gone, or nothing is left to do. */
  | { readonly kind: "DONE" };

/** A question and the answer it should have had, from one conversation of the tenant. */
export interface TrainingRow {
  readonly tenantId: TenantId;
  readonly question: string;
  readonly answer: string;
}

/** Of the tier. One at once where nothing is said, and a month without a bound. */
export type TrainingCaps = Pick<TierPolicy, "trainingsAtOnce" | "trainingsPerMonth">;

export interface AdapterStore {
  get(id: AdapterId): Promise<AdapterRow | undefined>;
  /** In the order of `ids`; foreign and missing ids alike give undefined. */
  getMany(ids: readonly AdapterId[]): Promise<readonly (AdapterRow | undefined)[]>;
  /** Newest first. */
  page(request: PageRequest): Promise<Page<AdapterRow>>;
  /** State `PREPARING`. Throws `CONFLICT` while as many are trained as may be at once, `LIMIT_EXCEEDED` when the tenant has too many or has trained all that it may this month (UTC). */
  add(adapter: { readonly id: AdapterId; readonly name: string; readonly baseModel: string }, caps: TrainingCaps): Promise<AdapterRow>;
  readonly weights: AdapterWeightsStore;
  /** How many are being trained, those that are removed meanwhile not among them. */
  countTraining(): Promise<number>;
  /** Ids with work to do: being trained, or removed. */
  unfinished(): Promise<readonly AdapterId[]>;
  /** The work is this owner's for so long. Who owns it already may claim it again. */
  claim(id: AdapterId, owner: string, leaseMs: number): Promise<AdapterClaim>;
  /** State `UPLOADING`. False when the adapter is no longer this owner's to work on: then nothing is written. */
  setManifest(id: AdapterId, owner: string, manifest: readonly string[], tokensMax: number): Promise<boolean>;
  /** False when the adapter is no longer this owner's to work on, or is being removed by now: then nothing is written. */
  progress(id: AdapterId, owner: string, progress: AdapterProgress): Promise<boolean>;
  /**
   * Missing for everyone from now on, its weights removed. `work` is what is left to do at the
   * provider; undefined when nothing is, and then the row is gone as well. Throws `NOT_FOUND`.
   */
  remove(id: AdapterId): Promise<AdapterWork | undefined>;
  /** After the provider's part is done. */
  forget(id: AdapterId): Promise<void>;
  /** Every adapter that has, or may have, something at the provider. */
  atProvider(): Promise<readonly AdapterWork[]>;
  /** What the tenant's users found good, or corrected; newest first, at most `rowsMax` rows and about `charsMax` characters. */
  trainingRows(rowsMax: number, charsMax: number): Promise<readonly TrainingRow[]>;
}

/** A file of weights comes in pieces, each in a write of its own: one write of all of it would hold up the tenant's others. */
export interface AdapterWeightsStore {
  /** State `UPLOADING`; its bytes count beside those of the documents from now on. Throws `LIMIT_EXCEEDED`. */
  begin(adapter: { readonly id: AdapterId; readonly name: string; readonly baseModel: string; readonly bytes: number; readonly sha256: string; readonly pieces: number }, caps: Pick<TierPolicy, "maxBytes">): Promise<void>;
  /** Throws `NOT_FOUND` when the adapter was removed meanwhile. */
  add(id: AdapterId, ordinal: number, piece: { readonly bytes: number; readonly zstd: Uint8Array }): Promise<void>;
  /** State `IMPORTED`. Throws `NOT_FOUND`, or `CONFLICT` when a piece is missing. */
  finish(id: AdapterId): Promise<AdapterRow>;
  /** Of a file that never came whole: state `FAILED`, its pieces removed. For whoever has claimed it. */
  giveUp(id: AdapterId, owner: string): Promise<void>;
  /** The file as it was imported. Throws `NOT_FOUND`, or `INTERNAL` when it is not what was imported. */
  read(id: AdapterId): Promise<Buffer>;
}

/** Feedback of one user on the answers in their own conversations. */
export interface FeedbackStore {
  /** In place of what was said of the message before. False when the user has no such message. */
  give(messageId: string, feedback: { readonly rating: Rating; readonly correction?: string }): Promise<boolean>;
  of(messageId: string): Promise<{ readonly tenantId: TenantId; readonly userId: UserId; readonly rating: Rating; readonly correction?: string } | undefined>;
}
