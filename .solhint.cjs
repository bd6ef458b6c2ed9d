/**
 * The recommended rules, and what else fits STYLE. A rule that is off says why. Low-level calls, dropped answers,
 * reentrancy, loops, assembly and unchecked arithmetic are judged by detectors over the compiler's own tree
 * (scripts/proof), which see through modifiers, libraries and base contracts.
 */
module.exports = {
  extends: "solhint:recommended",
  rules: {
    "compiler-version": ["error", "0.8.37"],
    "func-visibility": ["error", { ignoreConstructors: true }],
    // Immutables are private state like any other here: an underscore, no capitals.
    "immutable-vars-naming": ["error", { immutablesAsConstants: false }],
    "private-vars-leading-underscore": ["error", { strict: false }],
    "no-unused-import": "error",
    "no-unused-vars": "error",
    "no-unused-private-funcs": "error",
    "gas-custom-errors": "error",
    "avoid-tx-origin": "error",
    "code-complexity": ["error", 9],
    "function-max-lines": ["error", 50],
    "visibility-modifier-order": "error",
    // Every contract says what it is; functions are described in the interfaces, and nobody signs alone.
    "use-natspec": [
      "error",
      {
        title: { enabled: true },
        author: { enabled: false },
        notice: { enabled: false },
        param: { enabled: false },
        return: { enabled: false },
      },
    ],
    // What explorers search for is indexed, not whatever fits.
    "gas-indexed-events": "off",
    // The long strings are type names of EIP-712, hashed when compiled.
    "gas-small-strings": "off",
    // The optimizer makes the same of both.
    "gas-increment-by-one": "off",
    // A bound that is allowed is written as allowed.
    "gas-strict-inequalities": "off",
    // Structs are ordered by what is read together, and say so.
    "gas-struct-packing": "off",
    // Constructors that only pass on, and a `catch` that the detectors make us answer for.
    "no-empty-blocks": "off",
    // The detectors ask each for its reason.
    "no-inline-assembly": "off",
    "avoid-low-level-calls": "off",
  },
};
