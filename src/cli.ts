#!/usr/bin/env node
import { Command, CommanderError } from 'commander';
import { addExplain } from './cli/explain.ts';
import { CliError } from './cli/fault.ts';
import { addGeo } from './cli/geo.ts';
import { addImport } from './cli/import.ts';
import { addKeys } from './cli/keys.ts';
import { addLists } from './cli/lists.ts';
import { addProbe } from './cli/probe.ts';
import { addRules } from './cli/rules.ts';
import { addSimulate } from './cli/simulate.ts';
import { addSubject } from './cli/subject.ts';
import { serve } from './node.ts';

/**
 * The command line. Exit codes: 0 done and good; 1 done, but not good (a failing test, a refused list, a missed bar);
 * 2 could not be done (wrong usage, settings, rules or files).
 */
const program = new Command('stepgate')
  .description('Adaptive risk engine that decides, per request, when step-up authentication is required')
  .showHelpAfterError('(stepgate --help lists the commands)')
  .exitOverride();

program
  .command('serve')
  .description('run the service with the settings of the environment')
  .action(() => serve());
for (const add of [addRules, addExplain, addSimulate, addImport, addLists, addGeo, addSubject, addKeys, addProbe])
  add(program);

try {
  await program.parseAsync();
} catch (error) {
  if (error instanceof CommanderError) process.exitCode = error.exitCode === 0 ? 0 : 2;
  else if (error instanceof CliError) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  } else throw error;
}
