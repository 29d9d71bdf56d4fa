import NetworkTypes
import SimulationKit

/// The launches and stops of a fleet, minute by minute, with the host of each: what every scheme is fed.
struct ChurnWorkload: Sendable {
    private struct Birth: Hashable, Sendable {
        var at: Instant
        var application: Int
        var life: Duration
    }

    static let minute = Duration.seconds(60)

    let kinds: [ChurnMix.Kind]
    let outages: Outages
    /// Every (application, host) that ever ran a VM, in the order of the first.
    private(set) var seats: [Seat] = []
    /// VMs by seat.
    private(set) var loads: [Int] = []
    /// Launches that found no reachable host.
    private(set) var refused = 0
    /// VMs by application.
    private(set) var lives: [Int]

    private let plan: ChurnPlan
    private var streams: [DemandStream]
    private var placement: ChurnPlacement
    /// Seat of (application, host), -1 while there is none.
    private var seatIndex: [Int32]
    /// By minute.
    private var births: [[Birth]]
    private var deaths: [[ChurnEvent]]
    private var slots: [Int] = []
    private var slotCount = 0
    private var now = 0

    init(_ plan: ChurnPlan) {
        self.plan = plan
        let root = SeededGenerator(seed: plan.seed)
        var drawing = root.fork(1)
        let draws = (0..<plan.applications).map { _ in plan.mix.draw(using: &drawing) }
        kinds = draws.map(\.kind)
        let streaming = root.fork(2)
        streams = draws.enumerated().map {
            DemandStream(shape: $1.shape, generator: streaming.fork(UInt64($0)))
        }
        placement = ChurnPlacement(draws, plan: plan, generator: root.fork(3))
        let end = Instant(nanoseconds: 0) + .seconds(86_400 * (plan.days + 1))
        outages = Outages(hosts: plan.hosts, until: end, timing: plan.timing, generator: root.fork(4))
        lives = Array(repeating: 0, count: plan.applications)
        seatIndex = Array(repeating: -1, count: plan.applications * plan.hosts)
        births = Array(repeating: [], count: plan.days * 1440 + 1)
        deaths = births.map { _ in [] }
    }

    /// Everything that happens in the next minute, by time.
    mutating func nextMinute() -> [ChurnEvent] {
        if now > 0, now % 1440 == 0 { placement.newDay(now / 1440) }
        for application in streams.indices {
            for launch in streams[application].nextMinute() {
                let birth = Birth(
                    at: Instant(nanoseconds: Int64(launch.start * 86_400e9)), application: application,
                    life: .nanoseconds(Int64(launch.life * 86_400e9)))
                births[min(births.count - 1, max(now, Int(launch.start * 1440)))].append(birth)
            }
        }
        var events: [ChurnEvent] = []
        let born = births[now].sorted { ($0.at, $0.application) < ($1.at, $1.application) }
        let dying = deaths[now].sorted { ($0.at, $0.vm) < ($1.at, $1.vm) }
        births[now] = []
        deaths[now] = []
        var next = 0
        for birth in born {
            while next < dying.count, dying[next].at <= birth.at {
                events.append(end(dying[next]))
                next += 1
            }
            if let event = start(birth) { events.append(event) }
        }
        for event in dying[next...] { events.append(end(event)) }
        now += 1
        return events
    }

    private mutating func start(_ birth: Birth) -> ChurnEvent? {
        let base = birth.application * plan.hosts
        let place = placement.host(
            for: birth.application, live: lives[birth.application],
            load: { host in
                let seat = Int(seatIndex[base + host])
                return seat < 0 ? 0 : loads[seat]
            }, reachable: { outages.outage(of: $0, at: birth.at) == nil })
        guard let (host, isStray) = place else {
            refused += 1
            return nil
        }
        let seat = seat(birth.application, host)
        loads[seat] += 1
        lives[birth.application] += 1
        let vm = slots.popLast() ?? slotCount
        slotCount = max(slotCount, vm + 1)
        // A life that ends in the minute of its birth ends with the next one: this minute's stops are sorted already.
        let end = max(birth.at + birth.life, Instant(nanoseconds: 0) + Self.minute * (now + 1))
        // In whole numbers: a quotient of durations may fall short of the minute that just began, and the stop is lost.
        let minute = Int(end.nanoseconds / Self.minute.inNanoseconds)
        precondition(minute > now, "VM \(vm) stops in minute \(minute), which is over")
        if minute < deaths.count - 1 {
            deaths[minute].append(ChurnEvent(at: end, kind: .stop, vm: vm, seat: seat, isStray: false))
        }
        return ChurnEvent(at: birth.at, kind: .launch, vm: vm, seat: seat, isStray: isStray)
    }

    private mutating func end(_ event: ChurnEvent) -> ChurnEvent {
        loads[event.seat] -= 1
        lives[seats[event.seat].application] -= 1
        slots.append(event.vm)
        return event
    }

    private mutating func seat(_ application: Int, _ host: Int) -> Int {
        let place = application * plan.hosts + host
        if seatIndex[place] < 0 {
            seatIndex[place] = Int32(seats.count)
            seats.append(Seat(application: application, host: host))
            loads.append(0)
        }
        return Int(seatIndex[place])
    }
}
