import DequeModule
import FleetProtocol
import NetworkTypes

/// One gRPC stream between an agent's process and a coordinator's: two ordered queues.
///
/// Within a stream nothing is lost, doubled or reordered (it is TCP). A stream breaks as a whole: a prefix of what was
/// under way arrives, and each end learns of it at a time of its own. So an old stream may still deliver after its
/// successor has said hello, and what was sent again on the successor is then there twice and out of order.
struct Stream {
    enum Upward {
        case message(AgentMessage)
        case end
    }
    enum Downward {
        case message(Position, CoordinatorMessage)
        case end
    }
    struct Arrival<Item> {
        var at: Int64
        var item: Item
    }

    var host: Int
    /// Number of the agent's process; an older one's stream speaks to nobody.
    var agent: UInt32
    var process: Int
    var identity: AgentIdentity
    var up: Deque<Arrival<Upward>> = []
    var down: Deque<Arrival<Downward>> = []
    var lastUp: Int64 = 0
    var lastDown: Int64 = 0
    /// The end that writes upwards is open; the agent closes it to ask for a new stream.
    var agentSends = true
    var coordinatorSends = true
    /// Both ends know that it is over.
    var agentKnows = true
    var coordinatorKnows = false
    var isBroken = false
}

/// How messages fare between processes, drawn per run and changed by faults.
struct Weather {
    var latencyMin: Int64 = 50 * Time.microsecond
    var latencyMean: Int64 = 500 * Time.microsecond
    /// Extra delay upwards and downwards per host while a spike lasts, up to so much.
    var slowUp: [Int64]
    var slowDown: [Int64]
    /// Agent and coordinator cannot reach each other until then.
    var cutUntil: [Int64]
    /// Pairs of hosts between which no packet passes.
    var cutPairs: Set<Int> = []
    /// Pairs between which only short packets pass.
    var narrowPairs: Set<Int> = []
    let hosts: Int

    init(hosts: Int) {
        self.hosts = hosts
        slowUp = [Int64](repeating: 0, count: hosts)
        slowDown = slowUp
        cutUntil = slowUp
    }

    func isCut(_ one: Int, _ other: Int) -> Bool {
        !cutPairs.isEmpty && cutPairs.contains(min(one, other) * hosts + max(one, other))
    }
    func isNarrow(_ one: Int, _ other: Int) -> Bool {
        narrowPairs.contains(min(one, other) * hosts + max(one, other))
    }
    mutating func narrow(_ one: Int, _ other: Int) { narrowPairs.insert(min(one, other) * hosts + max(one, other)) }
    mutating func widen(_ one: Int, _ other: Int) { narrowPairs.remove(min(one, other) * hosts + max(one, other)) }
    mutating func cut(_ one: Int, _ other: Int) { cutPairs.insert(min(one, other) * hosts + max(one, other)) }
    mutating func join(_ one: Int, _ other: Int) { cutPairs.remove(min(one, other) * hosts + max(one, other)) }
}
