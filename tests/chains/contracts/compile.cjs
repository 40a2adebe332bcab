// Standard JSON in, `{output, files}` out; imports are found in the directory given.
const fs = require("fs");
const path = require("path");

const modules = process.argv[2];
const solc = require(path.join(modules, "solc"));
const files = {};
const found = (name) => {
  try {
    files[name] = fs.readFileSync(path.join(modules, name), "utf8");
    return { contents: files[name] };
  } catch (error) {
    return { error: String(error) };
  }
};
const output = solc.compile(fs.readFileSync(0, "utf8"), { import: found });
process.stdout.write(JSON.stringify({ version: solc.version(), output: JSON.parse(output), files }));
