// SPDX-License-Identifier: Unlicense
pragma solidity 0.8.37;

import {AccessManaged} from "@openzeppelin/contracts/access/manager/AccessManaged.sol";
import {Pausable} from "@openzeppelin/contracts/utils/Pausable.sol";
import {IPaymentEscrow} from "../interfaces/IPaymentEscrow.sol";

/// @title What governance can set in the escrow, within bounds
abstract contract EscrowSettings is IPaymentEscrow, AccessManaged, Pausable {
    /// @dev Bounds that no governor can move.
    uint256 public constant MINIMUM_THAW = 1 hours;
    uint256 public constant MAXIMUM_THAW = 28 days;
    uint256 public constant MAXIMUM_FEE_PPM = 10_000;
    /// @dev By how much the notice of a higher fee is longer than the thaw: who does not want it gets out first.
    uint256 public constant FEE_MARGIN = 1 days;

    /// @dev One slot, read once by every collection.
    struct FeeSettings {
        address treasury;
        uint16 feePpm;
        uint16 nextFeePpm;
        uint64 nextFeeAt;
    }

    uint256 internal immutable _thawPeriod;

    FeeSettings private _feeSettings;
    mapping(address token => bool) private _allowed;

    constructor(address authority, address treasury_, uint256 thawPeriod_) AccessManaged(authority) {
        if (thawPeriod_ < MINIMUM_THAW || thawPeriod_ > MAXIMUM_THAW) {
            revert PaymentEscrowThawOutOfBounds(MAXIMUM_THAW, thawPeriod_);
        }
        _thawPeriod = thawPeriod_;
        _setTreasury(treasury_);
    }

    /// @inheritdoc IPaymentEscrow
    function setTokenAllowed(address token, bool allowed) external restricted {
        if (token == address(0)) revert PaymentEscrowAddressZero();
        _allowed[token] = allowed;
        emit TokenAllowed(token, allowed);
    }

    /// @inheritdoc IPaymentEscrow
    function setFee(uint16 newFeePpm) external restricted {
        if (newFeePpm > MAXIMUM_FEE_PPM) revert PaymentEscrowFeeTooLarge(MAXIMUM_FEE_PPM, newFeePpm);
        uint16 current = _currentFee(_feeSettings);
        uint64 effectiveAt = uint64(block.timestamp);
        if (newFeePpm <= current) {
            _feeSettings.feePpm = newFeePpm;
            _feeSettings.nextFeeAt = 0;
        } else {
            effectiveAt += uint64(_thawPeriod + FEE_MARGIN);
            _feeSettings.feePpm = current;
            _feeSettings.nextFeePpm = newFeePpm;
            _feeSettings.nextFeeAt = effectiveAt;
        }
        emit FeeScheduled(newFeePpm, effectiveAt);
    }

    /// @inheritdoc IPaymentEscrow
    function setTreasury(address newTreasury) external restricted {
        _setTreasury(newTreasury);
    }

    /// @inheritdoc IPaymentEscrow
    function pause() external restricted {
        _pause();
    }

    /// @inheritdoc IPaymentEscrow
    function unpause() external restricted {
        _unpause();
    }

    /// @inheritdoc IPaymentEscrow
    function isTokenAllowed(address token) external view returns (bool) {
        return _allowed[token];
    }

    /// @inheritdoc IPaymentEscrow
    function feePpm() external view returns (uint256) {
        return _currentFee(_feeSettings);
    }

    /// @inheritdoc IPaymentEscrow
    function treasury() external view returns (address) {
        return _feeSettings.treasury;
    }

    /// @inheritdoc IPaymentEscrow
    function thawPeriod() external view returns (uint256) {
        return _thawPeriod;
    }

    function _requireAllowed(address token) internal view {
        if (!_allowed[token]) revert PaymentEscrowTokenNotAllowed(token);
    }

    function _feeAndTreasury() internal view returns (uint256 fee, address to) {
        FeeSettings memory settings = _feeSettings;
        return (_currentFee(settings), settings.treasury);
    }

    function _currentFee(FeeSettings memory settings) private view returns (uint16) {
        bool isRaised = settings.nextFeeAt != 0 && block.timestamp >= settings.nextFeeAt;
        return isRaised ? settings.nextFeePpm : settings.feePpm;
    }

    function _setTreasury(address newTreasury) private {
        if (newTreasury == address(0)) revert PaymentEscrowAddressZero();
        _feeSettings.treasury = newTreasury;
        emit TreasuryChanged(newTreasury);
    }
}
