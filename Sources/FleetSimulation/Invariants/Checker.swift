import AgentCore
import CoordinatorCore
import FleetProtocol
import NetworkTypes

/// What the invariants are judged by. It sees messages, journal records, stored events and kernels, and true time; it
/// never looks into a machine.
struct Checker {
    /// A place where the kernel of a host just changed.
    struct Touch {
        var host: Int
        var entry: KernelEntry
    }
    struct ActivePort {
        var host: Int
        var sni: UInt32
    }
    /// When a coordinator last heard a host, by its own reckoning.
    struct Contact {
        var identity: AgentIdentity?
        var stream = -1
        var isOpen = false
        var at: Int64
        /// Was given up by handshakes; owes the acknowledgement of the snapshot at this revision (`.max`: not sent yet).
        var debt: UInt64?
        /// It said that its journal cannot be written.
        var isImpaired = false
    }

    /// What a host wrote down about a mark, and where in its journal.
    struct DrainRecord {
        var epoch: Epoch
        var sequence: UInt64
        /// Written before a book was restored.
        var isOfOldGeneration = false
    }

    /// Hosts whose kernel goes on since a journal was lost, and has not been compared whole: it may carry what no journal
    /// of theirs tells.
    var blind: Set<Int> = []

    // MARK: Kernels

    var touched: [Touch] = []
    /// Hosts whose kernel carries a port that is bound to the identifier. The incremental check rests on it.
    var holders: [UInt32: [Int]] = [:]
    var ports: [ActivePort] = []
    var duplicates: Set<UInt32> = []

    // MARK: Hosts

    var views: [JournalView]
    /// True time at which an identifier was last bound or in the kernel of a host.
    var lastUse: [[UInt32: Int64]]
    /// Attaches that were answered and not asked back.
    var acknowledged: [[VMInterface: UInt32]]
    var detachAsked: [Set<VMInterface>]
    /// Interfaces whose VM was stopped with a hold.
    var holdAsked: [Set<VMInterface>]
    /// True time from which a hold counts: its record, or the last start of the process.
    var holdSince: [[UInt32: Int64]]
    /// Identifiers whose guest spoke at the host that it migrated to.
    var heard: [Set<UInt32>]
    /// Blocks that a host has journalled as drained, and the last mark.
    var drained: [[SNIBlock: DrainRecord]]
    var contacts: [Contact]
    var echoes: [EchoTally]

    // MARK: The coordinator

    var ledger: Ledger
    /// Migrations of a store that was lost, by identifier: the one in its place learns of them from their ends.
    var forgotten: [UInt32: Migration] = [:]
    /// Pairs of applications that have ever allowed each other.
    var friends: Set<ApplicationPair> = []

    init(plan: Plan) {
        ledger = Ledger(of: plan.coordinator)
        views = Array(repeating: JournalView(), count: plan.hosts)
        echoes = Array(repeating: EchoTally(), count: plan.hosts)
        lastUse = Array(repeating: [:], count: plan.hosts)
        acknowledged = Array(repeating: [:], count: plan.hosts)
        detachAsked = Array(repeating: [], count: plan.hosts)
        holdAsked = Array(repeating: [], count: plan.hosts)
        holdSince = Array(repeating: [:], count: plan.hosts)
        heard = Array(repeating: [], count: plan.hosts)
        drained = Array(repeating: [:], count: plan.hosts)
        contacts = Array(repeating: Contact(at: 0), count: plan.hosts)
    }

    mutating func addHost() {
        views.append(JournalView())
        lastUse.append([:])
        acknowledged.append([:])
        detachAsked.append([])
        holdAsked.append([])
        holdSince.append([:])
        heard.append([])
        drained.append([:])
        contacts.append(Contact(at: 0))
        echoes.append(EchoTally())
    }

    func randomPort(_ dice: inout Dice) -> ActivePort? { ports.isEmpty ? nil : ports[dice.below(ports.count)] }

    mutating func detachAsked(_ interface: VMInterface, on host: Int) { detachAsked[host].insert(interface) }

    mutating func befriend() {
        for (id, policy) in ledger.policies {
            for other in policy.allowed where ledger.policies[other]?.allowed.contains(id) == true {
                friends.insert(ApplicationPair(id, other))
            }
        }
    }
}

/// Two applications, unordered.
struct ApplicationPair: Hashable {
    let first: ApplicationID
    let second: ApplicationID
    init(_ one: ApplicationID, _ other: ApplicationID) {
        first = min(one, other)
        second = max(one, other)
    }
}
