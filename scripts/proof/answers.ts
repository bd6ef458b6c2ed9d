/** Why findings of the detectors may stand. A finding without an answer is a red test, and so is an answer without a finding. */
export interface Answer {
  readonly reason: string;
  readonly findings: readonly string[];
}

export const answers: readonly Answer[] = [
  {
    reason:
      "`restricted` asks the AccessManager before a setting of Faults is written, as everywhere; it decides who may set it and gains nothing by entering again.",
    findings: [
      "reentrancy-order | FaultSettings._setPenalties | _settings.equivocationPpm = newEquivocationPpm (struct Settings is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | FaultSettings._setPenalties | _settings.rewardPpm = newRewardPpm (struct Settings is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | FaultSettings._setAnswerPeriod | _settings.answerPeriod = newAnswerPeriod (struct Settings is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | FaultSettings._setAnswerGas | _answerGas = AnswerGas({gas: gas, minimumFee: minimumFee, maximumFee: maximumFee}) (struct AnswerGas is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | FaultSettings._setSequencerFeed | _settings.sequencerFeed = newFeed (struct Settings is written after IAccessManager(authority()).consumeScheduledOp)",
    ],
  },
  {
    reason:
      "What Faults drops is not needed where it is dropped: `_accountable` reverts for a key that is not, its operator is looked up again when something is taken; what arrived of a slashing is measured by the balance; the run is read for what is left of it; and the feed's other words say nothing about the sequencer. A failed recovery gives zero, which the next line refuses.",
    findings: [
      "unchecked-call | Faults.openChallenge | _accountable(deal.node) (answer is dropped)",
      "unchecked-call | FaultPenalties.slashable | _roomOf(node, _stakeOf(operator)) (part of the answer is dropped)",
      "unchecked-call | FaultPenalties._take | _operators.slash(operator, amount) (answer is dropped)",
      "unchecked-call | FaultSettings._sequencerRecoveredAt | abi.decode(data, (uint256, uint256, uint256)) (part of the answer is dropped)",
      "unchecked-call | FaultStatements.signerOf | ECDSA.tryRecover(hash, signature.r, signature.vs) (part of the answer is dropped)",
    ],
  },
  {
    reason:
      "Recovery gives the signer, an error and its argument. A failed recovery gives the zero address, which each of these places refuses by name.",
    findings: [
      "unchecked-call | ClusterBalancers._addBalancer | ECDSA.tryRecover(digest, proof.r, proof.vs) (part of the answer is dropped)",
      "unchecked-call | OperatorNodes._addNode | ECDSA.tryRecover(digest, proof.r, proof.vs) (part of the answer is dropped)",
      "unchecked-call | EscrowPayouts._signerOf | ECDSA.tryRecover(MessageHashUtils.toTypedDataHash(separator, voucher.structHash()), r, vs) (part of the answer is dropped)",
      "unchecked-call | EscrowSigners._checkPossession | ECDSA.tryRecover(digest, proof.r, proof.vs) (part of the answer is dropped)",
    ],
  },
  {
    reason:
      "Anybody who sees a permit can spend it first. The transfer after it needs the allowance, whoever brought it, and reverts without.",
    findings: [
      "unchecked-call | OperatorStakes._pull | IERC20Permit(address(_stakeToken)).permit( msg.sender, address(this), amount, permit.deadline, permit.v, permit.r, permi… (failure is swallowed)",
      "unchecked-call | EscrowDeposits.depositWithPermit | IERC20Permit(token).permit( msg.sender, address(this), amount, permit.deadline, permit.v, permit.r, permit.s ) (failure is swallowed)",
    ],
  },
  {
    reason: "`_skip` always answers 0, for callers that return it; here the round goes on instead.",
    findings: [
      "unchecked-call | PaymentEscrow._openMembers | _skip(voucher, SkipReason.OutOfOrder) (answer is dropped)",
      "unchecked-call | PaymentEscrow._openMembers | _skip(voucher, SkipReason.PayeeUnknown) (answer is dropped)",
      "unchecked-call | PaymentEscrow._openMembers | _skip(voucher, SkipReason.NothingNew) (answer is dropped)",
      "unchecked-call | PaymentEscrow._openMembers | _skip(voucher, SkipReason.SignatureWrong) (answer is dropped)",
    ],
  },
  {
    reason: "The member was found to be a node of an operator when the claims were opened, in the same call.",
    findings: [
      "unchecked-call | PaymentEscrow._closeMember | _resolve(claim.payee, 0, 0, 0) (part of the answer is dropped)",
    ],
  },
  {
    reason:
      "`restricted` asks the AccessManager, named when the contract was made, before the setting is written. It is the one that decides who may set it: it gains nothing by entering again.",
    findings: [
      "reentrancy-order | OperatorStakes.setSlasher | _slasher = newSlasher (OperatorStakes._slasher is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | OperatorRegistry._setMinimumStake | _minimumStake = minimum (OperatorRegistry._minimumStake is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | EscrowSettings.setTokenAllowed | _allowed[token] = allowed (EscrowSettings._allowed is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | EscrowSettings.setFee | _feeSettings.feePpm = newFeePpm (struct FeeSettings is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | EscrowSettings.setFee | _feeSettings.nextFeeAt = 0 (struct FeeSettings is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | EscrowSettings.setFee | _feeSettings.feePpm = current (struct FeeSettings is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | EscrowSettings.setFee | _feeSettings.nextFeePpm = newFeePpm (struct FeeSettings is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | EscrowSettings.setFee | _feeSettings.nextFeeAt = effectiveAt (struct FeeSettings is written after IAccessManager(authority()).consumeScheduledOp)",
      "reentrancy-order | EscrowSettings._setTreasury | _feeSettings.treasury = newTreasury (struct FeeSettings is written after IAccessManager(authority()).consumeScheduledOp)",
    ],
  },
  {
    reason:
      "One warm read of one slot for each payee, 100 gas. Reading it before the loop would charge every collection that pays no node for it.",
    findings: [
      "storage-read-in-loop | EscrowSettings._feeAndTreasury | _feeSettings (in every round of i < groups.length in collect)",
      "storage-read-in-loop | EscrowSettings._feeAndTreasury | _feeSettings (in every round of i < members.length in _payMembers)",
    ],
  },
  {
    reason:
      "The shares that a deposit brings are the operator's own: what the pool has besides all sponsors', never counted apart.",
    findings: [
      "unchecked-call | OperatorRegistry.join | operator.pool.deposit(request.stake) (answer is dropped)",
      "unchecked-call | OperatorStakes.topUp | operator.pool.deposit(amount) (answer is dropped)",
    ],
  },
  {
    reason: "Asked for its revert; the operator that it names is not needed to set an endpoint.",
    findings: ["unchecked-call | OperatorNodes.setEndpoint | _requireKeptNode(node) (answer is dropped)"],
  },
  {
    reason: "A list of at most MAXIMUM_BALANCERS (32) keys: `_addBalancer` refuses one more.",
    findings: [
      "unbounded-loop | ClusterBalancers._endAllBalancers | i < current.length",
      "unbounded-loop | ClusterBalancers.removeBalancer | last != balancer",
    ],
  },
];
