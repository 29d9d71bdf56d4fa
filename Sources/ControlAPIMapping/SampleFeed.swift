import Allocation
public import ControlAPI
public import CoordinatorCore
public import FleetMapping
import Forecasting
public import NetworkTypes
import SwiftProtobuf

// What a coordinator and a profiler in a process of its own say to each other.

extension Outrider_V1_SampleBatch {
    /// The message form.
    public init(_ batch: SampleBatch) {
        self.init()
        slot = UInt64(clamping: batch.slot)
        intervalMs = milliseconds(batch.interval)
        installation = batch.installation
        whole = batch.isWhole
        past = batch.isPast
        applications = batch.applications.map(Outrider_V1_FeedApplication.init)
        removed = batch.removed.map(\.description)
        sampled = batch.samples != nil
        samples = (batch.samples ?? []).map(Outrider_V1_FeedSample.init)
        talked = batch.groups != nil
        groups = (batch.groups ?? []).map(Outrider_V1_TalkingGroups.init)
    }

    /// The value form.
    public func value() throws(MappingError) -> SampleBatch {
        guard slot < 1 << 62 else { throw MappingError(field: "slot", detail: "\(slot) is no interval") }
        var batch = SampleBatch(
            slot: Int(slot), interval: .milliseconds(Int64(clamping: intervalMs)), installation: installation,
            isWhole: whole)
        batch.isPast = past
        for application in applications { batch.applications.append(try application.value()) }
        for id in removed { batch.removed.append(try parse(id, "removed")) }
        if sampled {
            var values: [FleetSample] = []
            for sample in samples { values.append(try sample.value()) }
            batch.samples = values
        }
        if talked {
            var values: [TalkingGroups] = []
            for group in groups { values.append(try group.value()) }
            batch.groups = values
        }
        return batch
    }
}

extension Outrider_V1_FeedApplication {
    init(_ application: SampleBatch.Application) {
        self.init()
        id = application.id.description
        name = application.name
        priority = Outrider_V1_PriorityClass(application.priority)
        cap = UInt32(clamping: application.cap)
        blockSize = UInt32(clamping: application.blockSize)
        owned = UInt32(clamping: application.owned)
        costRatio = application.costRatio ?? 0
    }

    func value() throws(MappingError) -> SampleBatch.Application {
        if costRatio != 0 {
            do throws(MarginalError) {
                _ = try MarginalPolicy(costRatio: costRatio)
            } catch {
                throw MappingError(field: "applications.cost_ratio", detail: "\(error)")
            }
        }
        return SampleBatch.Application(
            id: try parse(id, "applications.id"), name: name, priority: try priority.value("applications.priority"),
            cap: Int(cap), blockSize: Int(blockSize), owned: Int(owned), costRatio: costRatio == 0 ? nil : costRatio)
    }
}

extension Outrider_V1_FeedSample {
    init(_ sample: FleetSample) {
        self.init()
        application = sample.application.description
        guard let demand = sample.demand else { return }
        known = true
        vms = UInt32(clamping: demand.vms)
        peakVms = UInt32(clamping: demand.peak)
        launches = UInt32(clamping: demand.launches)
        stops = UInt32(clamping: demand.stops)
        if let load = demand.load {
            self.load = .with {
                $0.cpuS = load.cpu
                $0.bytes = load.bytes
                $0.misses = UInt32(clamping: load.misses)
            }
        }
        if let usage = demand.usage { self.usage = Outrider_V1_FeedUsage(usage) }
    }

    func value() throws(MappingError) -> FleetSample {
        let id: ApplicationID = try parse(application, "samples.application")
        guard known else { return FleetSample(application: id, demand: nil) }
        var demand = FleetSample.Demand(
            vms: Int(vms), peak: Int(peakVms), launches: Int(launches), stops: Int(stops))
        if hasLoad { demand.load = .init(cpu: load.cpuS, bytes: load.bytes, misses: Int(load.misses)) }
        if hasUsage { demand.usage = usage.value }
        return FleetSample(application: id, demand: demand)
    }
}

extension Outrider_V1_FeedUsage {
    fileprivate init(_ usage: FleetSample.Usage) {
        self.init()
        if let known = usage.cpu { cpuS = known }
        if let known = usage.memory { memoryBytes = known }
        if let known = usage.received { rxBytes = known }
        if let known = usage.sent { txBytes = known }
        if let known = usage.peers { peerBytes = known }
    }

    fileprivate var value: FleetSample.Usage {
        FleetSample.Usage(
            cpu: hasCpuS ? cpuS : nil, memory: hasMemoryBytes ? memoryBytes : nil, received: hasRxBytes ? rxBytes : nil,
            sent: hasTxBytes ? txBytes : nil, peers: hasPeerBytes ? peerBytes : nil)
    }
}

extension Outrider_V1_TalkingGroups {
    func value() throws(MappingError) -> TalkingGroups {
        TalkingGroups(
            source: VMGroup(
                application: try parse(sourceApplication, "groups.source_application"),
                host: try parse(sourceHost, "groups.source_host")),
            destination: VMGroup(
                application: try parse(destinationApplication, "groups.destination_application"),
                host: try parse(destinationHost, "groups.destination_host")),
            bytesPerSecond: bytesPerS)
    }
}

extension Outrider_V1_WatchPeaksRequest {
    /// Time between two tellings.
    public func interval() throws(MappingError) -> Duration {
        guard (100...86_400_000).contains(everyMs) else {
            throw MappingError(field: "every_ms", detail: "\(everyMs) is not between 100 and 86400000")
        }
        return .milliseconds(Int64(everyMs))
    }
}

extension Outrider_V1_PeakBatch {
    /// The message form.
    public init(_ table: PeakTable) {
        self.init()
        leadsMs = table.leads.map(milliseconds)
        levels = PeakForecast.levels
        applications = table.applications.sorted { $0.key < $1.key }.map { id, row in
            .with {
                $0.application = id.description
                $0.state = Outrider_V1_ProfileState(row.state)
                $0.peaks = row.peaks
                if let advice = row.marginal { $0.marginal = Outrider_V1_MarginalAdvice(advice) }
            }
        }
    }

    /// The value form.
    ///
    /// - Returns: what can be read, and why the first of the others cannot: numbers that can be no forecast (crossing
    ///   quantiles, what is negative or not finite) are refused as well.
    public func forecasts() -> (known: [ApplicationID: ToldProfile], refused: MappingError?) {
        let leads = leadsMs.map { Duration.milliseconds(Int64(clamping: $0)) }
        var result: [ApplicationID: ToldProfile] = [:]
        var refused: MappingError?
        for entry in applications {
            do throws(MappingError) {
                let id: ApplicationID = try parse(entry.application, "applications.application")
                result[id] = try entry.profile(leads, levels, of: id)
            } catch {
                refused = refused ?? error
            }
        }
        return (result, refused)
    }
}

extension Outrider_V1_ApplicationPeaks {
    fileprivate func profile(
        _ leads: [Duration], _ levels: [Double], of id: ApplicationID
    ) throws(MappingError) -> ToldProfile {
        let forecast = PeakForecast(
            state: try state.value("applications.state"), leads: leads, levels: levels, peaks: peaks)
        guard let forecast else {
            throw MappingError(field: "applications.peaks", detail: "those of \(id) can be no forecast")
        }
        guard hasMarginal else { return ToldProfile(forecast: forecast) }
        guard let advice = marginal.value else {
            throw MappingError(field: "applications.marginal", detail: "that of \(id) can be no advice")
        }
        return ToldProfile(forecast: forecast, marginal: advice)
    }
}

extension Outrider_V1_ProfileState {
    func value(_ field: String) throws(MappingError) -> Forecasting.ProfileState {
        switch self {
        case .cold: return .cold
        case .learning: return .learning
        case .ready: return .ready
        case .degraded: return .degraded
        case .unspecified, .UNRECOGNIZED: throw MappingError(field: field, detail: "unknown value \(rawValue)")
        }
    }
}
