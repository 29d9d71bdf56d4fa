public import ControlAPI
public import CoordinatorCore
public import FleetMapping
import NetworkTypes
import SwiftProtobuf

extension HistoryResolution {
    public init(_ value: Outrider_V1_HistoryResolution) throws(MappingError) {
        switch value {
        case .unspecified, .fine: self = .fine
        case .middle: self = .middle
        case .coarse: self = .coarse
        case .UNRECOGNIZED(let number):
            throw MappingError(field: "resolution", detail: "\(number) is no resolution of this version")
        }
    }
}

extension Outrider_V1_History {
    /// - Parameter now: seconds since 1970.
    public init(_ info: HistoryInfo, now: Double) {
        self.init()
        application = info.application.description
        resolution =
            switch info.resolution {
            case .fine: .fine
            case .middle: .middle
            case .coarse: .coarse
            }
        stepMs = milliseconds(info.step)
        endedUnixMs = UInt64(max(0, (now - info.age.inSeconds) * 1000))
        keptBytes = UInt64(info.byteCount)
        let count = info.values[.vms]?.count ?? 0
        points = (0..<count).map { index in
            func value(_ measure: HistoryMeasure) -> UInt64? { info.values[measure]?[index] }
            return .with { point in
                if let known = value(.vms) { point.vms = known }
                if let known = value(.launches) { point.launches = known }
                if let known = value(.cpu) { point.cpuMs = known }
                if let known = value(.memory) { point.memoryBytes = known }
                if let known = value(.received) { point.rxBytes = known }
                if let known = value(.sent) { point.txBytes = known }
                if let known = value(.peers) { point.peerBytes = known }
            }
        }
    }
}
