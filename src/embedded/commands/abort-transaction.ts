import { badValue } from "../engine/errors.js";
import { noSuchTransaction } from "../engine/transaction.js";
import type { Command } from "./command.js";

export const abortTransaction: Command = {
  name: "abortTransaction",
  fields: ["recoveryToken"],
  served: "drops the transaction's changes and locks",
  run: ({ session, txnNumber, engine }) => {
    if (!session || !txnNumber) throw badValue("abortTransaction must be run in a session with a transaction number");
    const transaction = session.transaction;
    if (!transaction || !transaction.number.equals(txnNumber) || transaction.state !== "open") {
      throw noSuchTransaction(txnNumber, transaction?.state === "committed" ? "it has been committed" : "it has been aborted");
    }
    engine.cursors.removeOwnedBy(transaction);
    transaction.abort();
    return { ok: 1 };
  },
};
