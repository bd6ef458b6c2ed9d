// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/IERC20Permit.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {IERC3009} from "../interfaces/IERC3009.sol";
import {IPaymentEscrow} from "../interfaces/IPaymentEscrow.sol";
import {EscrowFunds} from "./EscrowFunds.sol";

/// @title The ways in for money
abstract contract EscrowDeposits is EscrowFunds {
    using SafeERC20 for IERC20;

    bytes32 private constant _DEPOSIT_TAG = keccak256("leat.deposit");
    bytes32 private constant _RESERVE_TAG = keccak256("leat.reserve");

    /// @inheritdoc IPaymentEscrow
    function deposit(address token, address account, uint256 amount) external whenNotPaused nonReentrant {
        _transferIn(token, account, amount);
    }

    /// @inheritdoc IPaymentEscrow
    function depositWithPermit(address token, address account, uint256 amount, Permit calldata permit)
        external
        whenNotPaused
        nonReentrant
    {
        // Whoever saw the permit may have spent it first; the allowance that it left serves as well.
        try IERC20Permit(token).permit(
            msg.sender, address(this), amount, permit.deadline, permit.v, permit.r, permit.s
        ) {} catch {}
        _transferIn(token, account, amount);
    }

    /// @inheritdoc IPaymentEscrow
    function depositWithAuthorization(address token, address account, Authorization calldata authorization)
        external
        whenNotPaused
        nonReentrant
    {
        _credit(token, account, authorization.from, authorization.amount);
        _receive(token, authorization, keccak256(abi.encode(_DEPOSIT_TAG, account, authorization.salt)));
    }

    /// @inheritdoc IPaymentEscrow
    function reserveWithAuthorization(
        address payee,
        address token,
        uint256 cluster,
        uint32 clusterPpm,
        Authorization calldata authorization
    ) external whenNotPaused nonReentrant {
        address payer = authorization.from;
        _credit(token, payer, payer, authorization.amount);
        _reserve(payer, payee, token, cluster, clusterPpm, authorization.amount);
        _receive(
            token,
            authorization,
            keccak256(abi.encode(_RESERVE_TAG, payee, cluster, clusterPpm, authorization.salt))
        );
    }

    function _transferIn(address token, address account, uint256 amount) private {
        _credit(token, account, msg.sender, amount);
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC20(token).safeTransferFrom(msg.sender, address(this), amount);
        _requireArrived(token, before, amount);
    }

    /// @dev The nonce is computed, not taken: the authorisation is good for what its signer meant and nothing else.
    function _receive(address token, Authorization calldata authorization, bytes32 nonce) private {
        uint256 before = IERC20(token).balanceOf(address(this));
        IERC3009(token).receiveWithAuthorization(
            authorization.from,
            address(this),
            authorization.amount,
            authorization.validAfter,
            authorization.validBefore,
            nonce,
            authorization.v,
            authorization.r,
            authorization.s
        );
        _requireArrived(token, before, authorization.amount);
    }

    function _credit(address token, address account, address from, uint256 amount) private {
        _requireAllowed(token);
        if (account == address(0)) revert PaymentEscrowAddressZero();
        if (amount == 0) revert PaymentEscrowAmountZero();
        _pools[account][token] += amount;
        emit Deposited(token, account, from, amount);
    }

    function _requireArrived(address token, uint256 before, uint256 amount) private view {
        uint256 received = IERC20(token).balanceOf(address(this)) - before;
        if (received != amount) revert PaymentEscrowTransferShort(amount, received);
    }
}
