// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IFaults} from "../../../contracts/interfaces/IFaults.sol";
import {IOperatorRegistry} from "../../../contracts/interfaces/IOperatorRegistry.sol";
import {StakeModel} from "./StakeModel.sol";

/// @notice What operators, sponsors, managers and reporters do. Each step says beforehand whether its call goes through.
abstract contract StakeSteps is StakeModel {
    function join(uint256 seed, uint256 raw) external {
        (uint256 o, uint256 k) = (seed % OPERATORS, (seed >> 8) % KEYS);
        IOperatorRegistry.JoinRequest memory request;
        request.stake = _amount(raw) - 1;
        request.node = nodeProofOf(operatorAt(o), FIRST_NODE_KEY + k);
        bool goes = !paused && !joined[o] && request.stake >= minimumStake && keys[k].owner == 0;
        _call(operatorAt(o), address(operators), abi.encodeCall(operators.join, (request)), goes);
        if (!goes) return;
        joined[o] = true;
        keys[k].owner = o + 1;
        _putIn(o, 0, request.stake);
    }

    /// @dev The operator tops up, a sponsor stands behind it.
    function stake(uint256 seed, uint256 raw) external {
        (uint256 o, uint256 h) = _pair(seed);
        uint256 amount = _amount(raw);
        IOperatorRegistry.Permit memory none;
        bytes memory data = h == 0
            ? abi.encodeCall(operators.topUp, (amount, none))
            : abi.encodeCall(operators.stakeFor, (operatorAt(o), amount, none));
        bool goes = !paused && joined[o];
        _call(holderAt(o, h), address(operators), data, goes);
        if (goes) _putIn(o, h, amount);
    }

    /// @dev Half of the time of what is there, else of anything.
    function thaw(uint256 seed, uint256 raw) external {
        (uint256 o, uint256 h) = _pair(seed);
        Position storage held = positions[o][h];
        uint256 amount = (seed >> 32) % 2 == 0 ? raw % (held.stake + 2) : _amount(raw);
        bytes memory data = h == 0
            ? abi.encodeCall(operators.thaw, (amount))
            : abi.encodeCall(operators.thawSponsored, (operatorAt(o), amount));
        bool goes = amount != 0 && amount <= held.stake;
        _call(holderAt(o, h), address(operators), data, goes);
        if (!goes) return;
        held.stake -= amount;
        held.thawing += amount;
        (held.endsAt, held.thaws) = (time + THAW, true);
        _follow(o, h, false);
    }

    /// @dev Nothing leaves before its thaw is over, paused or not.
    function endThaw(uint256 seed, bool cancels) external {
        (uint256 o, uint256 h) = _pair(seed);
        Position storage held = positions[o][h];
        (address actor, address operator) = (holderAt(o, h), operatorAt(o));
        bytes memory data = cancels
            ? h == 0
                ? abi.encodeCall(operators.cancelThaw, ())
                : abi.encodeCall(operators.cancelSponsoredThaw, (operator))
            : h == 0
                ? abi.encodeCall(operators.withdraw, (actor))
                : abi.encodeCall(operators.withdrawSponsored, (operator, actor));
        bool goes = held.thaws && (cancels || time >= held.endsAt);
        _call(actor, address(operators), data, goes);
        if (!goes) return;
        if (cancels) {
            held.stake += held.thawing;
        } else {
            pools[o] -= held.thawing;
            wallets[actor] += held.thawing;
        }
        (held.thawing, held.endsAt, held.thaws) = (0, 0, false);
        _follow(o, h, false);
    }

    /// @dev The thief brings what a key signed: two lies of one job, or something that only looks like it.
    function equivocate(uint256 seed, uint256 raw) external {
        (uint256 k, uint256 job, uint256 how) = (seed % KEYS, (seed >> 8) % 64, (seed >> 16) % 8);
        address reporter = reporters[(seed >> 24) % 2];
        IFaults.Receipt memory first;
        IFaults.Receipt memory second;
        (first.job, second.job) = (bytes32(job), bytes32(how == 0 ? job + 1 : job));
        second.outputRoot = how == 1 ? first.outputRoot : keccak256(abi.encode(raw));
        // Unrelated, equal, or of two keys: only what is left is a proof.
        bool isProof = how > 1 && second.job == first.job;
        uint256 other = how == 2 ? (k + 1) % KEYS : k;
        bytes memory data = abi.encodeCall(
            faults.proveEquivocation, (first, _receiptSigned(first, k), second, _receiptSigned(second, other), reporter)
        );
        (uint256 o, uint256 taken) = isProof && how != 2 ? _penaltyOf(k, job) : (0, 0);
        _call(thief, address(faults), data, taken != 0);
        if (taken != 0) _punish(o, k, job, taken, reporter);
    }

    /// @dev Keys are kept by the operator and its manager, and by nobody else's.
    function keep(uint256 seed) external {
        uint256 k = (seed >> 8) % KEYS;
        uint256 n = (seed >> 16) % KEYS;
        uint256 what = (seed >> 24) % 5;
        uint256 o = what > 1 && keys[k].owner != 0 ? keys[k].owner - 1 : seed % OPERATORS;
        address actor = (seed >> 32) % 2 == 0 ? operatorAt(o) : managers[(seed >> 40) % 2];
        bool may = joined[o] && (actor == operatorAt(o) || actor == managerOf[o]);
        if (what == 0) {
            address chosen = (seed >> 48) % 3 == 0 ? address(0) : managers[(seed >> 56) % 2];
            _call(operatorAt(o), address(operators), abi.encodeCall(operators.setManager, (chosen)), joined[o]);
            if (joined[o]) managerOf[o] = chosen;
        } else if (what == 1) {
            IOperatorRegistry.NodeProof memory proof = nodeProofOf(operatorAt(o), FIRST_NODE_KEY + n);
            bool goes = may && !paused && keys[n].owner == 0;
            _call(actor, address(operators), abi.encodeCall(operators.addNode, (operatorAt(o), proof, "")), goes);
            if (goes) keys[n].owner = o + 1;
        } else {
            _keepOne(o, k, n, what, actor, may && keys[k].owner != 0 && keys[k].revokedAt == 0);
        }
    }

    function _keepOne(uint256 o, uint256 k, uint256 n, uint256 what, address actor, bool may) private {
        address node = vm.addr(FIRST_NODE_KEY + k);
        bytes memory data = abi.encodeCall(operators.setEndpoint, (node, "https://node"));
        if (what == 2) data = abi.encodeCall(operators.revokeNode, (node));
        if (what == 3) {
            IOperatorRegistry.NodeProof memory proof = nodeProofOf(operatorAt(o), FIRST_NODE_KEY + n);
            data = abi.encodeCall(operators.rotateNode, (node, proof, ""));
            may = may && !paused && keys[n].owner == 0;
        }
        _call(actor, address(operators), data, may);
        if (!may || what == 4) return;
        keys[k].revokedAt = time;
        if (what == 3) keys[n].owner = o + 1;
    }

    function _putIn(uint256 o, uint256 h, uint256 amount) private {
        wallets[holderAt(o, h)] -= amount;
        pools[o] += amount;
        positions[o][h].stake += amount;
        _follow(o, h, false);
    }

    /// @dev What a good proof takes: nothing of a key that nobody answers for any more, or twice for one job.
    function _penaltyOf(uint256 k, uint256 job) private view returns (uint256 o, uint256 taken) {
        Key storage key = keys[k];
        if (key.owner == 0 || proven[k][job]) return (0, 0);
        if (key.revokedAt != 0 && time > key.revokedAt + THAW) return (0, 0);
        o = key.owner - 1;
        uint256 wanted = pools[o] * equivocationPpm / PPM;
        // How much is left of the day is the contract's word here; that no day takes too much is judged apart.
        uint256 room = faults.slashable(vm.addr(FIRST_NODE_KEY + k));
        taken = wanted < room ? wanted : room;
    }

    function _punish(uint256 o, uint256 k, uint256 job, uint256 taken, address reporter) private {
        proven[k][job] = true;
        uint256 sum = pools[o];
        _notePenalty(k, sum, taken);
        for (uint256 h = 0; h < HOLDERS; ++h) {
            Position storage held = positions[o][h];
            held.stake = held.stake * (sum - taken) / sum;
            held.thawing = held.thawing * (sum - taken) / sum;
        }
        pools[o] -= taken;
        uint256 reward = taken * rewardPpm / PPM;
        assertTrue(reward * 10 <= taken);
        wallets[reporter] += reward;
        wallets[burned] += taken - reward;
        _follow(o, 0, true);
    }

    function _receiptSigned(IFaults.Receipt memory receipt, uint256 k)
        internal
        view
        returns (IFaults.Signature memory signature)
    {
        bytes32 typeHash = keccak256(
            "Receipt(bytes32 job,uint64 seq,uint32 attempt,bytes32 quoteHash,bytes32 inputHash,bytes32 outputRoot,uint64 firstFrame,uint32 frames,uint32 durationMs,uint64 sizeBytes)"
        );
        bytes32 structHash = keccak256(abi.encode(typeHash, receipt));
        (signature.r, signature.vs) =
            _sign(FIRST_NODE_KEY + k, MessageHashUtils.toTypedDataHash(escrow.domainSeparator(), structHash));
    }

    /// @dev Half of the time the first operator itself or its first sponsor, so that steps meet.
    function _pair(uint256 seed) private pure returns (uint256 o, uint256 h) {
        if (seed % 2 == 0) return (0, (seed >> 8) % 2);
        return ((seed >> 8) % OPERATORS, (seed >> 16) % HOLDERS);
    }

    function _amount(uint256 raw) internal pure returns (uint256) {
        return 1 + (raw >> 8) % 10 ** (1 + raw % 21);
    }
}
