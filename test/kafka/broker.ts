/**
 * A real Apache Kafka broker for tests: one KRaft node in one JVM on free loopback ports, from the jars that
 *     mvn -q -f test/kafka/pom.xml dependency:copy-dependencies
 * has fetched. Flushes every message, so that a killed broker has what it acknowledged.
 */
import assert from 'node:assert/strict';
import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { once } from 'node:events';
import { assetPath, assetText } from '../../lib/files/assets.js';
import { freePort } from '../loopback.js';
import { eventually } from '../eventually.js';
import { tempDir } from '../temp-dir.js';

/** The version to run: KAFKA_VERSION, or the one the POM names. */
export function kafkaVersion(): string {
  const pinned = /<kafka.version>(.*)<\/kafka.version>/.exec(assetText('test/kafka/pom.xml'))?.[1];
  return process.env['KAFKA_VERSION'] ?? pinned ?? 'unknown';
}

/** Why tests that need a broker cannot run here; false when they can. */
export function kafkaSkip(): string | false {
  if (existsSync(jarsDir())) return false;
  return `no jars of Kafka ${kafkaVersion()}: mvn -q -f test/kafka/pom.xml dependency:copy-dependencies -Dkafka.version=${kafkaVersion()}`;
}

function jarsDir(): string {
  return assetPath(`test/kafka/target/${kafkaVersion()}`);
}

export interface BrokerSecurity {
  readonly username: string;
  readonly password: string;
}

interface Ports {
  readonly plain: number;
  readonly secure: number;
  readonly controller: number;
}

/** Small, and quick to start: tests do not run long enough for the second compiler to pay. */
export const jvm: readonly string[] = [
  '-Xmx512m',
  '-XX:+UseSerialGC',
  '-XX:TieredStopAtLevel=1',
  '-XX:ActiveProcessorCount=2',
  '-Dorg.slf4j.simpleLogger.defaultLogLevel=warn',
];

export class KafkaBroker {
  /** host:port of the listener that speaks plain text. */
  readonly address: string;
  /** host:port of the one that speaks TLS and SASL; there only with security. */
  readonly secureAddress: string;
  readonly #ports: Ports;
  readonly #dir: string;
  #process: ChildProcess | undefined;

  private constructor(dir: string, ports: Ports) {
    this.#dir = dir;
    this.#ports = ports;
    this.address = `127.0.0.1:${ports.plain}`;
    this.secureAddress = `127.0.0.1:${ports.secure}`;
  }

  /** Formats and starts a broker; with `security` it has a second listener, for TLS and SASL (plain and SCRAM). */
  static async start(security?: BrokerSecurity): Promise<KafkaBroker> {
    const dir = tempDir('kafka');
    const ports = { plain: await freePort(), secure: await freePort(), controller: await freePort() };
    const broker = new KafkaBroker(dir, ports);
    if (security !== undefined) makeKeystore(dir, security.password);
    mkdirSync(join(dir, 'data'));
    writeFileSync(join(dir, 'server.properties'), properties(dir, ports, security).join('\n'));
    format(dir, security);
    await broker.resume();
    return broker;
  }

  /** PEM of the certificate the broker shows; only with security. */
  get caFile(): string {
    return join(this.#dir, 'ca.pem');
  }

  /** Starts the stopped broker again, on the same port and data. */
  async resume(): Promise<void> {
    const child = spawn('java', [...jvm, '-cp', classPath(), 'kafka.Kafka', 'server.properties'], {
      cwd: this.#dir,
      stdio: 'ignore',
      env: { ...process.env, LOG_DIR: this.#dir },
    });
    this.#process = child;
    process.once('exit', () => child.kill('SIGKILL')); // a test that ends badly leaves no broker behind
    await eventually('Kafka answers', () => {
      assert.equal(child.exitCode, null, 'Kafka ended');
      return canConnect(this.#ports.plain);
    });
  }

  /** Ends it, as an operator would or as a crash does. */
  async stop(signal: 'SIGTERM' | 'SIGKILL' = 'SIGTERM'): Promise<void> {
    const child = this.#process;
    this.#process = undefined;
    if (child === undefined || child.exitCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  /** Lets it stand still, or go on. */
  signal(signal: 'SIGSTOP' | 'SIGCONT'): void {
    this.#process?.kill(signal);
  }

  async dispose(): Promise<void> {
    await this.stop('SIGKILL');
    rmSync(this.#dir, { recursive: true, force: true });
  }
}

export function classPath(): string {
  return join(jarsDir(), '*');
}

function format(dir: string, security: BrokerSecurity | undefined): void {
  const mechanisms = security === undefined ? [] : ['SCRAM-SHA-256', 'SCRAM-SHA-512'];
  const users = mechanisms.flatMap((mechanism) => [
    '--add-scram',
    `${mechanism}=[name=${security?.username},password=${security?.password}]`,
  ]);
  const tool = [
    'kafka.tools.StorageTool',
    'format',
    '-t',
    'c3dhLXRlc3QtY2x1c3RlcA',
    '-c',
    'server.properties',
  ];
  run(dir, 'java', [...jvm, '-cp', classPath(), ...tool, ...users]);
}

function run(dir: string, program: string, args: readonly string[]): void {
  const { status, stderr, stdout } = spawnSync(program, args, { cwd: dir, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} failed: ${stdout}${stderr}`);
}

function properties(dir: string, ports: Ports, security: BrokerSecurity | undefined): string[] {
  const secure = security === undefined ? '' : `,SECURE://127.0.0.1:${ports.secure}`;
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${ports.controller}`,
    `listeners=PLAIN://127.0.0.1:${ports.plain},CONTROLLER://127.0.0.1:${ports.controller}${secure}`,
    `advertised.listeners=PLAIN://127.0.0.1:${ports.plain}${secure}`,
    'listener.security.protocol.map=PLAIN:PLAINTEXT,CONTROLLER:PLAINTEXT,SECURE:SASL_SSL',
    'controller.listener.names=CONTROLLER',
    'inter.broker.listener.name=PLAIN',
    `log.dirs=${join(dir, 'data')}`,
    'log.flush.interval.messages=1',
    'log.retention.check.interval.ms=500',
    'log.initial.task.delay.ms=500',
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=3',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'transaction.state.log.num.partitions=3',
    'group.initial.rebalance.delay.ms=0',
    'auto.create.topics.enable=false',
    'share.coordinator.state.topic.replication.factor=1',
    'share.coordinator.state.topic.min.isr=1',
    ...(security === undefined ? [] : securityProperties(dir, security)),
  ];
}

function securityProperties(dir: string, { username, password }: BrokerSecurity): string[] {
  const modules = 'org.apache.kafka.common.security';
  const plain = `${modules}.plain.PlainLoginModule required user_${username}="${password}";`;
  const scram = `${modules}.scram.ScramLoginModule required;`;
  return [
    'sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512',
    `listener.name.secure.plain.sasl.jaas.config=${plain}`,
    `listener.name.secure.scram-sha-256.sasl.jaas.config=${scram}`,
    `listener.name.secure.scram-sha-512.sasl.jaas.config=${scram}`,
    `ssl.keystore.location=${join(dir, 'keystore.p12')}`,
    'ssl.keystore.type=PKCS12',
    `ssl.keystore.password=${password}`,
  ];
}

/** A self-signed certificate for 127.0.0.1, as keystore and as PEM. */
function makeKeystore(dir: string, password: string): void {
  const store = ['-keystore', 'keystore.p12', '-storetype', 'PKCS12', '-storepass', password, '-alias', 'b'];
  const owner = ['-dname', 'CN=127.0.0.1', '-ext', 'san=ip:127.0.0.1', '-validity', '2'];
  run(dir, 'keytool', ['-genkeypair', '-keyalg', 'RSA', '-keysize', '2048', ...owner, ...store]);
  run(dir, 'keytool', ['-exportcert', '-rfc', '-file', 'ca.pem', ...store]);
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => resolve(true));
    socket.once('error', () => resolve(false));
    socket.once('close', () => socket.destroy());
    socket.once('connect', () => socket.end());
  });
}
