import assert from "node:assert/strict";
import { test } from "node:test";
import { prices } from "./catalogue.js";

test("the cup is the dearest", () => assert.equal(Math.max(...Object.values(prices)), prices.cup));
