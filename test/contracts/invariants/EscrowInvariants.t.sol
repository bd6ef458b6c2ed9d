// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {MessageHashUtils} from "@openzeppelin/contracts/utils/cryptography/MessageHashUtils.sol";
import {IClusterRegistry} from "../../../contracts/interfaces/IClusterRegistry.sol";
import {TrickyToken} from "../../../contracts/mocks/TrickyToken.sol";
import {EscrowSteps} from "./EscrowSteps.sol";

/// @notice Random sequences of everybody around the escrow: two buyers, two nodes and their operators, a cluster with its
/// owners and balancer keys, an allotted signer, a governor, a guardian, tokens that turn bad, and a thief that submits
/// everything. After every call all balances of all of them are what the model says.
contract EscrowInvariantsTest is EscrowSteps {
    struct FuzzSelector {
        address addr;
        bytes4[] selectors;
    }

    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(this);
    }

    function targetSelectors() external view returns (FuzzSelector[] memory targets) {
        targets = new FuzzSelector[](1);
        targets[0].addr = address(this);
        bytes4[16] memory steps = [
            this.deposit.selector,
            this.depositWithPermit.selector,
            this.depositWithAuthorization.selector,
            this.reserveWithAuthorization.selector,
            this.reserve.selector,
            this.thaw.selector,
            this.endThaw.selector,
            this.withdraw.selector,
            this.allot.selector,
            this.collect.selector,
            this.collectFor.selector,
            this.steal.selector,
            this.wait.selector,
            this.govern.selector,
            this.arrange.selector,
            this.misbehave.selector
        ];
        targets[0].selectors = new bytes4[](steps.length);
        for (uint256 i = 0; i < steps.length; ++i) targets[0].selectors[i] = steps[i];
    }

    function invariant_everybodyHoldsWhatTheModelSays() external view {
        _compareAll();
    }

    function wait(uint256 seed) external {
        jump(seed % 4 == 0 ? seed % 9 days : seed % 1 days);
    }

    /// @dev The governor within its bounds; the guardian pauses and may do nothing else.
    function govern(uint256 seed, uint256 raw) external {
        uint256 what = seed % 5;
        uint256 t = (seed >> 8) % TOKENS;
        if (what == 0) return _setFee(uint16(raw % 11_000));
        if (what == 1) {
            terms.treasury = (seed >> 16) % 2 == 0 ? treasury : otherTreasury;
            escrow.setTreasury(terms.treasury);
        } else if (what == 2) {
            terms.allowed[t] = (seed >> 16) % 8 != 0;
            escrow.setTokenAllowed(address(tokens[t]), terms.allowed[t]);
        } else if (what == 3) {
            bool pauses = (seed >> 16) % 4 == 0;
            bytes memory data = pauses ? abi.encodeCall(escrow.pause, ()) : abi.encodeCall(escrow.unpause, ());
            _call(pauses ? guardian : address(this), address(escrow), data, pauses != terms.paused);
            terms.paused = pauses;
        } else {
            uint256 which = (seed >> 16) % 3;
            bytes memory data = abi.encodeCall(escrow.setTokenAllowed, (thief, true));
            if (which == 1) data = abi.encodeCall(escrow.setTreasury, (guardian));
            if (which == 2) data = abi.encodeCall(escrow.unpause, ());
            _call(guardian, address(escrow), data, false);
        }
    }

    function _setFee(uint16 feePpm) private {
        bool goes = feePpm <= 10_000;
        _call(address(this), address(escrow), abi.encodeCall(escrow.setFee, (feePpm)), goes);
        if (!goes) return;
        uint256 current = _feePpm();
        if (feePpm <= current) {
            (terms.feePpm, terms.nextFeeAt) = (feePpm, 0);
        } else {
            (terms.feePpm, terms.nextFeePpm, terms.nextFeeAt) = (current, feePpm, time + FEE_NOTICE);
        }
    }

    /// @dev What operators and the cluster's owner arrange on the registries.
    function arrange(uint256 seed) external {
        uint256 what = seed % 5;
        if (what == 0) {
            uint256 n = (seed >> 8) % 2;
            payees[n].beneficiary = (seed >> 16) % 2 == 0 ? owners[n] : spare;
            payees[n].pushes = (seed >> 24) % 2 == 0;
            vm.prank(owners[n]);
            operators.setPayout(payees[n].beneficiary, payees[n].pushes);
        } else if (what == 1) {
            uint256 n = (seed >> 8) % 2;
            uint256 ppm = SHARE_PPM * (1 + (seed >> 16) % 2);
            vm.prank(owners[n]);
            clusters.accept(cluster, uint32(ppm));
            if (ppm > payees[n].highestPpm) payees[n].highestPpm = ppm;
        } else if (what == 2) {
            _arrangeBalancer((seed >> 8) % BALANCERS, (seed >> 16) % 3 == 0);
        } else {
            _transfer((seed >> 8) % 3);
        }
    }

    function _arrangeBalancer(uint256 k, bool removes) private {
        if (removes) {
            bool isCurrent = balancers[k] == type(uint256).max;
            bytes memory data = abi.encodeCall(clusters.removeBalancer, (cluster, vm.addr(BALANCER_KEY + k)));
            _call(clusterOwner, address(clusters), data, isCurrent);
            if (isCurrent) balancers[k] = time + THAW;
            return;
        }
        bool isNew = balancers[k] == 0;
        _call(clusterOwner, address(clusters), abi.encodeCall(clusters.addBalancer, (cluster, _balancerProof(k))), isNew);
        if (isNew) balancers[k] = type(uint256).max;
    }

    function _transfer(uint256 what) private {
        if (what == 0) {
            pendingOwner = clusterOwner == heir ? address(this) : heir;
            transferAt = time + THAW + 1 days;
            vm.prank(clusterOwner);
            clusters.startTransfer(cluster, pendingOwner);
            return;
        }
        bool isPending = pendingOwner != address(0);
        if (what == 1) {
            _call(clusterOwner, address(clusters), abi.encodeCall(clusters.cancelTransfer, (cluster)), isPending);
        } else {
            address to = clusterOwner == heir ? address(this) : heir;
            bool goes = isPending && time >= transferAt && time <= transferAt + clusters.TRANSFER_WINDOW();
            _call(to, address(clusters), abi.encodeCall(clusters.acceptTransfer, (cluster)), goes);
            if (!goes) return;
            clusterOwner = to;
            // The old owner's keys end with it.
            for (uint256 k = 0; k < BALANCERS; ++k) {
                if (balancers[k] == type(uint256).max) balancers[k] = time + THAW;
            }
        }
        pendingOwner = address(0);
    }

    /// @dev Tokens turn bad and good again: a pause, a blocklist, and every way in which a transfer can go wrong.
    function misbehave(uint256 seed) external {
        uint256 what = seed % 4;
        if (what == 0) return usdc.setPaused((seed >> 8) % 4 == 0);
        if (what == 1) return usdc.setBlocked(people[(seed >> 8) % people.length], (seed >> 16) % 3 == 0);
        if ((seed >> 8) % 2 == 0) return tricky.setMode(TrickyToken.Mode.Honest);
        uint256 mode = (seed >> 16) % 7;
        if (mode != uint256(TrickyToken.Mode.Reenters)) return tricky.setMode(TrickyToken.Mode(mode));
        tricky.setReentry(address(escrow), _reentry(seed >> 24));
    }

    /// @dev What the token tries while its transfer runs.
    function _reentry(uint256 seed) private view returns (bytes memory) {
        uint256 what = seed % 3;
        address t = address(tricky);
        if (what == 0) return abi.encodeCall(escrow.withdraw, (0, t, 1, t));
        if (what == 1) return abi.encodeCall(escrow.deposit, (t, thief, 1));
        return abi.encodeCall(escrow.reserve, (0, thief, t, 0, 0, 1));
    }

    /// @dev Whatever a thief could try on another's money or rights without a signature.
    function steal(uint256 seed, uint256 raw) external {
        (uint256 t, uint256 p, uint256 w) = _line(seed);
        uint256 what = (seed >> 40) % 6;
        (address erc20, address payee, uint256 amount) = (address(tokens[t]), payeeOf(w), _amount(raw));
        // In its own name, where it owns nothing, or in the cluster's, where it is nobody.
        uint256 asCluster = p == 2 ? cluster : 0;
        bytes memory data;
        if (what == 0) data = abi.encodeCall(escrow.withdraw, (asCluster, erc20, amount, thief));
        if (what == 1) data = abi.encodeCall(escrow.reserve, (asCluster, payee, erc20, 0, 0, amount));
        if (what == 2) data = abi.encodeCall(escrow.thaw, (asCluster, payee, erc20, 0, 0, amount));
        if (what == 3) data = abi.encodeCall(escrow.release, (asCluster, payee, erc20, 0, 0));
        if (what == 4) data = abi.encodeCall(escrow.cancelThaw, (asCluster, payee, erc20, 0, 0));
        if (what == 5) return _stealRights(seed, erc20, payee);
        _call(thief, address(escrow), data, false);
    }

    function _stealRights(uint256 seed, address erc20, address payee) private {
        uint256 what = (seed >> 48) % 10;
        (address target, bytes memory data) = (address(escrow), bytes(""));
        if (what == 0) data = abi.encodeCall(escrow.revokeSigner, (payee, erc20, 0, 0, signer));
        // The possession that the signer gave to a buyer serves no one else.
        if (what == 1) data = abi.encodeCall(escrow.allotSigner, (payee, erc20, 0, 0, 1, uint64(time + 1), _possession(0)));
        if (what == 2) data = abi.encodeCall(escrow.setTreasury, (thief));
        if (what == 3) data = abi.encodeCall(escrow.setFee, (0));
        if (what == 4) data = abi.encodeCall(escrow.pause, ());
        if (what >= 5) target = address(clusters);
        if (what == 5) data = abi.encodeCall(clusters.addBalancer, (cluster, _balancerProof(3)));
        if (what == 6) data = abi.encodeCall(clusters.removeBalancer, (cluster, vm.addr(BALANCER_KEY)));
        if (what == 7) data = abi.encodeCall(clusters.startTransfer, (cluster, thief));
        if (what == 8) data = abi.encodeCall(clusters.acceptTransfer, (cluster));
        if (what == 9) (target, data) = (address(operators), abi.encodeCall(operators.setPayout, (thief, true)));
        _call(thief, target, data, false);
    }

    function _balancerProof(uint256 k) private view returns (IClusterRegistry.BalancerProof memory proof) {
        proof.balancer = vm.addr(BALANCER_KEY + k);
        proof.validUntil = type(uint64).max;
        bytes32 structHash = keccak256(
            abi.encode(
                keccak256("BalancerPossession(uint256 cluster,address owner,address balancer,uint64 validUntil)"),
                cluster,
                clusterOwner,
                proof.balancer,
                proof.validUntil
            )
        );
        (proof.r, proof.vs) =
            _sign(BALANCER_KEY + k, MessageHashUtils.toTypedDataHash(clusters.domainSeparator(), structHash));
    }
}
