/**
 * Reads the configuration once from a given environment. Rejects unknown `SWA_*` keys and invalid values, all in one
 * error, each with the value given and a suggestion. No other module reads `process.env` for configuration.
 */
import type { z } from 'zod';
import { SwaError } from '../errors/errors.js';
import { nearest } from '../errors/nearest.js';
import { keys, type Config, type Keys } from './keys.js';

export type { Config } from './keys.js';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface ConfigEntry {
  readonly name: keyof Keys;
  readonly env: string;
  /** The text as given; secrets are masked. */
  readonly value: string;
  readonly origin: 'default' | 'environment';
  readonly doc: string;
}

/** Parses the environment. Throws `config.invalid` listing every problem. */
export function readConfig(env: Environment): Config {
  const problems: string[] = [];
  const known = Object.values(keys).map((key) => key.env as string);
  for (const name of Object.keys(env)) {
    if (name.startsWith('SWA_') && !known.includes(name)) {
      const meant = nearest(name, known, 'SWA_');
      problems.push(
        `${name} is not a configuration key${meant === undefined ? '' : `; did you mean ${meant}?`}`,
      );
    }
  }
  const config: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(keys)) {
    const preset = presetOf(name as keyof Keys, env); // the names are those of the table
    const text = env[key.env] ?? preset;
    const parsed = (key.schema as z.ZodType).safeParse(text);
    if (parsed.success) config[name] = parsed.data;
    else
      problems.push(
        `${key.env} ${parsed.error.issues[0]?.message ?? 'is refused'}, got '${key.secret ? '***' : text}'; default '${preset}'`,
      );
  }
  if (problems.length > 0) {
    throw new SwaError('config.invalid', `invalid configuration:\n  ${problems.join('\n  ')}`, {
      hint: '`swa config` lists every key with its value and meaning',
    });
  }
  return config as Config; // every key of the table was parsed by its own schema
}

function presetOf(name: keyof Keys, env: Environment): string {
  const key: { readonly preset: string; readonly presetIn?: (of: Environment) => string | undefined } =
    keys[name];
  return key.presetIn?.(env) ?? key.preset;
}

/** Returns every key with its value as given and where the value came from. */
export function describeConfig(env: Environment): ConfigEntry[] {
  return (Object.keys(keys) as (keyof Keys)[]).map((name) => {
    const key = keys[name];
    const given = env[key.env];
    const value = given ?? presetOf(name, env);
    return {
      name,
      env: key.env,
      value: key.secret && value !== '' ? '***' : value,
      origin: given === undefined ? 'default' : 'environment',
      doc: key.doc,
    };
  });
}

/** Returns the defaults with some fields replaced, for tests and for programs that embed a layer. */
export function configWith(change: Partial<Config>): Config {
  return { ...readConfig({}), ...change };
}
