import { Long } from "bson";
import { noSuchTransaction } from "../engine/transaction.js";
import { badValue } from "../engine/errors.js";
import { asNumber } from "../engine/values.js";
import type { Doc } from "../semantics/bson-codec.js";
import type { Command, CommandContext } from "./command.js";

export const commitTransaction: Command = {
  name: "commitTransaction",
  fields: ["recoveryToken"],
  served: "one durable commit; asked again after it has committed it says so again, also after a restart",
  run: async (context) => {
    const { session, txnNumber, engine } = context;
    if (!session || !txnNumber) throw badValue("commitTransaction must be run in a session with a transaction number");
    const transaction = session.transaction;
    if (!transaction || !transaction.number.equals(txnNumber)) {
      if (wasCommitted(engine.sessionRecord(session.lsid), txnNumber)) return { ok: 1 };
      throw noSuchTransaction(txnNumber, "it was never started here");
    }
    if (transaction.state === "aborted") throw noSuchTransaction(txnNumber, "it has been aborted");
    if (transaction.state === "open") await commit(context, transaction);
    return { ok: 1 };
  },
};

async function commit({ engine }: CommandContext, transaction: NonNullable<NonNullable<CommandContext["session"]>["transaction"]>): Promise<void> {
  engine.cursors.removeOwnedBy(transaction);
  if (transaction.isExpired) {
    transaction.abort();
    throw noSuchTransaction(transaction.number, `it lived longer than ${transaction.lifetimeMs} ms`);
  }
  await transaction.commit();
}

/** After a restart only the record that was committed with the transaction can tell. */
function wasCommitted(record: Doc | undefined, txnNumber: Long): boolean {
  return record?.["committed"] === true && asNumber(record["t"]) === txnNumber.toNumber();
}
