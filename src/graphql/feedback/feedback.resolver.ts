import "reflect-metadata";
import { Arg, Ctx, Mutation, Resolver } from "type-graphql";
import { badUserInput, notFound } from "../../kernel/errors.js";
import { isWellFormedId } from "../../kernel/ids.js";
import type { Rating } from "../../storage/adapter-rows.js";
import { asTenant, type RequestContext } from "../request-context.js";
import { FeedbackInput, FeedbackPayloadType } from "./feedback.type.js";

const correctionCharsMax = 8_000;

@Resolver()
export class FeedbackResolver {
  @Mutation(() => FeedbackPayloadType, { nullable: true, description: "Notes what the caller thinks of an answer. `NOT_FOUND` when it is in none of their conversations." })
  async sendFeedback(@Arg("input", () => FeedbackInput) input: FeedbackInput, @Ctx() context: RequestContext): Promise<FeedbackPayloadType> {
    const { services, tenant, deadline } = asTenant(context);
    const { messageId } = input;
    if (!isWellFormedId("message", messageId)) throw notFound("Message");
    const feedback = parseFeedback(input);
    if (!(await services.stores.write(tenant, deadline, (store) => store.feedbackOf(tenant.userId).give(messageId, feedback)))) throw notFound("Message");
    return { messageId, rating: feedback.rating };
  }
}

function parseFeedback({ rating, correction }: FeedbackInput): { readonly rating: Rating; readonly correction?: string } {
  if (typeof correction !== "string") return { rating };
  if (rating === "GOOD") throw badUserInput("correction", "a correction of a good answer", "none, or the rating BAD");
  const text = correction.trim();
  if (text.length === 0 || text.length > correctionCharsMax) throw badUserInput("correction", `${text.length} characters`, `1 to ${correctionCharsMax}`);
  return { rating, correction: text };
}
