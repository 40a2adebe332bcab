// SPDX-License-Identifier: MIT
pragma solidity ^0.8.24;

import {Script} from "forge-std/Script.sol";
import {ERC20} from "@openzeppelin/contracts/token/ERC20/ERC20.sol";
import {ERC20Permit} from "@openzeppelin/contracts/token/ERC20/extensions/ERC20Permit.sol";
import {ERC721} from "@openzeppelin/contracts/token/ERC721/ERC721.sol";
import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {IERC4626} from "@openzeppelin/contracts/interfaces/IERC4626.sol";
import {IERC721Receiver} from "@openzeppelin/contracts/token/ERC721/IERC721Receiver.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import "./Parts.sol";
import {WETH, USDC, DAI, VAULT, ROUTER2} from "./World.sol";

interface IWrapped is IERC20 {
    function deposit() external payable;
    function withdraw(uint256 amount) external;
}

interface IRouter {
    function swapExactETHForTokens(uint256 least, address[] calldata path, address to, uint256 deadline)
        external payable returns (uint256[] memory amounts);
    function swapExactTokensForTokens(uint256 given, uint256 least, address[] calldata path, address to, uint256 deadline)
        external returns (uint256[] memory amounts);
    function addLiquidityETH(address token, uint256 desired, uint256 least, uint256 leastCoin, address to, uint256 deadline)
        external payable returns (uint256, uint256, uint256);
}

contract Gold is ERC20Permit {
    constructor() ERC20("Gold", "GLD") ERC20Permit("Gold") {
        _mint(msg.sender, 1_000 ether);
    }
}

contract Stamps is ERC721 {
    constructor() ERC721("Stamps", "STMP") {}

    function mint(address to, uint256 number) external {
        _safeMint(to, number, "a stamp");
    }
}

contract Collector is IERC721Receiver {
    bytes public last;

    function onERC721Received(address operator, address from, uint256 number, bytes calldata data)
        external returns (bytes4)
    {
        last = abi.encode(operator, from, number, data);
        return this.onERC721Received.selector;
    }
}

contract TokenTransfer is Script {
    using SafeERC20 for IERC20;

    function run() external {
        vm.startBroadcast();
        Gold gold = new Gold();
        gold.transfer(ALICE, 1);
        IERC20(address(gold)).safeTransfer(BOB, 2);
        gold.approve(OTHER, 100);
        vm.stopBroadcast();
        vm.startBroadcast(OTHER);
        gold.transferFrom(msg.sender, ALICE, 40);
        vm.stopBroadcast();
        require(gold.allowance(msg.sender, OTHER) == 60, "not taken");
    }
}

contract TokenPermit is Script {
    function run() external {
        uint256 key = 0xB0B;
        address owner = vm.addr(key);
        vm.startBroadcast();
        Gold gold = new Gold();
        gold.transfer(owner, 10);
        vm.stopBroadcast();
        bytes32 what = keccak256(
            abi.encode(
                keccak256("Permit(address owner,address spender,uint256 value,uint256 nonce,uint256 deadline)"),
                owner, msg.sender, uint256(8), gold.nonces(owner), type(uint256).max
            )
        );
        (uint8 v, bytes32 r, bytes32 s) =
            vm.sign(key, keccak256(abi.encodePacked(hex"1901", gold.DOMAIN_SEPARATOR(), what)));
        vm.startBroadcast();
        gold.permit(owner, msg.sender, 8, type(uint256).max, v, r, s);
        gold.transferFrom(owner, BOB, 8);
        vm.stopBroadcast();
        require(gold.balanceOf(BOB) == 8 && gold.nonces(owner) == 1, "not permitted");
    }
}

contract TokenCollectible is Script {
    function run() external {
        vm.startBroadcast();
        Stamps stamps = new Stamps();
        Collector collector = new Collector();
        stamps.mint(address(collector), 5);
        stamps.mint(msg.sender, 6);
        stamps.safeTransferFrom(msg.sender, address(collector), 6, "given");
        vm.stopBroadcast();
        require(stamps.ownerOf(6) == address(collector), "not given");
    }
}

contract TokenWrap is Script {
    function run() external {
        vm.startBroadcast();
        IWrapped(WETH).deposit{value: 2 ether}();
        (bool done,) = WETH.call{value: 1 ether}("");
        require(done, "not wrapped");
        IWrapped(WETH).withdraw(1 ether);
        IWrapped(WETH).transfer(ALICE, 5);
        vm.stopBroadcast();
    }
}

contract TokenVault is Script {
    function run() external {
        vm.startBroadcast();
        IERC20(DAI).approve(VAULT, 100 ether);
        uint256 shares = IERC4626(VAULT).deposit(100 ether, msg.sender);
        IERC4626(VAULT).redeem(shares / 2, msg.sender, msg.sender);
        vm.stopBroadcast();
    }
}

contract TokenSwap is Script {
    function run() external {
        address[] memory path = new address[](2);
        (path[0], path[1]) = (WETH, USDC);
        vm.startBroadcast();
        uint256[] memory got = IRouter(ROUTER2).swapExactETHForTokens{value: 1 ether}(1, path, msg.sender, type(uint256).max);
        IERC20(USDC).approve(ROUTER2, got[1]);
        address[] memory back = new address[](3);
        (back[0], back[1], back[2]) = (USDC, WETH, DAI);
        IRouter(ROUTER2).swapExactTokensForTokens(got[1], 1, back, msg.sender, type(uint256).max);
        vm.stopBroadcast();
    }
}

contract TokenLiquidity is Script {
    function run() external {
        vm.startBroadcast();
        IERC20(DAI).approve(ROUTER2, type(uint256).max);
        IRouter(ROUTER2).addLiquidityETH{value: 1 ether}(DAI, 5_000 ether, 0, 0, msg.sender, type(uint256).max);
        vm.stopBroadcast();
    }
}
