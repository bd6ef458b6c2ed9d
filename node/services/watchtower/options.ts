import { type Static, Type } from "typebox";

export const watchtowerOptions = Type.Object(
  {
    towers: Type.Array(
      Type.Object(
        {
          address: Type.String({ pattern: "^0x[0-9a-fA-F]{40}$", description: "Address of the tower's key" }),
          multiaddrs: Type.Array(Type.String({ pattern: "^/" }), {
            description: "Where it is dialed, with its peer id",
          }),
        },
        { additionalProperties: false },
      ),
      { default: [], maxItems: 8, description: "Watchtowers that this node leaves its vouchers with as payee" },
    ),
    leaveEveryMs: Type.Integer({
      default: 30_000,
      minimum: 200,
      maximum: 3_600_000,
      description: "Pause between looks for vouchers to leave with the towers, milliseconds",
    }),
    serve: Type.Union([Type.Literal("cluster"), Type.Literal("anybody")], {
      default: "cluster",
      description: "Whose vouchers a node with the role watchtower keeps: its cluster's and its members', or anybody's",
    }),
    graceMs: Type.Integer({
      default: 3_600_000,
      minimum: 0,
      description:
        "How long a payee is given to collect itself once at risk, at most a quarter of what is left, milliseconds",
    }),
    lookEveryMs: Type.Integer({
      default: 10_000,
      minimum: 200,
      maximum: 600_000,
      description: "Pause between looks at channels that may be at risk, milliseconds",
    }),
    gasBudget: Type.String({
      default: "0.01",
      pattern: "^[0-9]{1,9}(\\.[0-9]{1,18})?$",
      description: "Gas that the tower spends for others in a day, whole native tokens",
    }),
  },
  { default: {}, additionalProperties: false },
);
export type WatchtowerOptions = Static<typeof watchtowerOptions>;
