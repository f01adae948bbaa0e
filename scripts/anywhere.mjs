// Answers texts by an exported module, for tests: a JSON string a line in, ids and answers out.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const model = await import(pathToFileURL(process.argv[2]));
for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
  const text = JSON.parse(line), answer = model.classify(text);
  const answers = answer instanceof Map ? [...answer.values()] : [answer];
  const probabilities = answers.map((each) => each.probabilities);
  const labels = answers.map((each) => each.label);
  process.stdout.write(JSON.stringify({ ids: model.encode(text), probabilities, labels }) + "\n");
}
