import AgentCore
import Dataplane
import DequeModule
import FleetProtocol
import NetworkTypes

/// Work of the agent's kernel writer, in order, as in the `Agent` shell.
enum KernelWork {
    case apply([DataplaneChange], Token)
    case ensureOverlay(deletes: DeletionScope)
    case createPort(PortOrder, Token)
    case movePort(PortMove, Token)
    case resync
}

/// One process of the agent on one host. Everything in it dies with a kill.
struct AgentProcess {
    var machine: AgentMachine
    let identity: AgentIdentity
    /// Distinguishes this process from its predecessors in events and streams.
    let number: UInt32
    /// SIGSTOP until then.
    var pausedUntil: Int64 = 0
    /// Index of the stream that the machine knows as its own, -1 without one.
    var stream = -1
    var backoff: Int64 = 100 * Time.millisecond
    /// Reports of journal and kernel that the machine has not taken yet.
    var outcomes: Deque<AgentInput> = []
    var work: Deque<KernelWork> = []
    var isWorking = false
    var removals: Deque<(PortRemoval, Token)> = []
    var isRemoving = false
    /// Nil before the overlay is up.
    var desired: DesiredState?
    /// What is desired while there is no overlay yet.
    var early: [DataplaneChange] = []
    /// Answers to echoes that come back through the tunnel.
    var echoes: Deque<Echo> = []
    /// Which slot waits for which call.
    var calls: [UInt64: Int] = [:]
    var lastCall: UInt64 = 0
}

/// One machine: kernel, disk, clock, and perhaps an agent.
struct Host {
    var name: HostID
    var index: Int
    /// Tunnel endpoint of the configuration, and every address that the machine has ever had as one.
    var vtep: IPAddress
    var addresses: Set<IPAddress>
    var fingerprint: String
    var boot: BootID
    var isUp = true
    var kernel = FakeKernel()
    var journal = JournalDisk()
    /// A journal that was lost or set aside, which an operator may put back.
    var aside: JournalDisk?
    /// A copy of the journal, made some time ago.
    var copy: JournalDisk?
    var agent: AgentProcess?
    /// Rises with every process and every boot.
    var number: UInt32 = 0
    /// Chance that the kernel refuses a write, and how long writes take.
    var refusal = 0.0
    var writeTime: Int64 = 200 * Time.microsecond
    var syncTime: Int64 = 800 * Time.microsecond
    /// VMs that the journal has bound and that are gone: the operator detaches them.
    var owedDetaches: [VMInterface] = []
    /// Some time in this run.
    var hasLostJournal = false
    /// The journal is an older copy; the newest one is there to be put back.
    var isRolledBack = false
    /// The journal was put back: what it has bound may be gone long since.
    var isRestored = false
    /// The journal could not be written; the agent binds nothing until it starts again.
    var journalFailed = false
    /// A copy of another host's disk, or installed anew: it need not come to a grant.
    var isImpostor = false
    /// The host that a clone was copied from.
    var original: Int?
    /// What its packets come from.
    var sender: IPAddress { kernel.endpoint ?? vtep }
    /// Index of the first host of this name.
    var nameIndex: Int { original ?? index }
    /// Clients and VMs run here.
    var hasClients = true
}
