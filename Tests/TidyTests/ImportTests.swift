import Testing

/// What each target may import, beyond the standard library. It is the direction of dependency of ARCHITECTURE.md: a
/// core that imports a shell, the clock or the operating system fails here.
private let allowed: [String: Set<String>] = {
    let generated: Set = ["GRPCCore", "GRPCProtobuf", "SwiftProtobuf"]
    let transport: Set = ["GRPCCore", "GRPCNIOTransportHTTP2Posix"]
    let collections: Set = ["Collections", "DequeModule", "OrderedCollections", "HeapModule", "BasicContainers"]
    let system: Set = ["Glibc", "CSystemShim", "Synchronization", "Dispatch"]
    return [
        "NetworkTypes": [],
        "FleetProtocol": ["NetworkTypes"],
        "SNISpace": collections.union(["NetworkTypes"]),
        "Forecasting": [],
        "Allocation": ["FleetProtocol", "Forecasting", "NetworkTypes"],
        "Dataplane": collections.union(["NetworkTypes"]),
        "Telemetry": ["FleetProtocol", "NetworkTypes"],
        "Addressing": ["NetworkTypes"],
        "AgentCore": collections.union(["Dataplane", "FleetProtocol", "NetworkTypes", "SNISpace", "Telemetry"]),
        "CoordinatorCore": collections.union(["Allocation", "FleetProtocol", "Forecasting", "NetworkTypes", "SNISpace"]
        ),

        "Netlink": system.union(["CNetlinkShim", "Dataplane", "NetworkTypes"]),
        "LocalAPI": system.union(["NetworkTypes"]),
        "Journal": system.union(["NetworkTypes"]),
        "Store": [
            "CSystemShim", "CoordinatorCore", "Foundation", "FoundationEssentials", "GRDB", "Glibc", "NetworkTypes",
            "Synchronization",
            "SNISpace", "Synchronization",
        ],
        "ControlAPI": generated,
        "FleetMapping": ["ControlAPI", "FleetProtocol", "NetworkTypes", "SwiftProtobuf"],
        "ControlAPIMapping": generated.union([
            "Allocation", "ControlAPI", "FleetMapping", "CoordinatorCore", "FleetProtocol", "Forecasting",
            "NetworkTypes", "SNISpace",
        ]),
        "Prometheus": ["AsyncHTTPClient", "FoundationEssentials", "NIOCore", "NIOHTTP1"],
        "DaemonSupport": system.union([
            "FoundationEssentials", "Logging", "NetworkTypes", "ServiceLifecycle", "UnixSignals", "Yams",
        ]),

        "Agent": system.union(transport).union([
            "Addressing", "AgentCore", "ControlAPI", "DaemonSupport", "Dataplane", "FleetMapping", "FleetProtocol",
            "FoundationEssentials", "Journal", "LocalAPI", "Logging", "Netlink", "NetworkTypes", "ServiceLifecycle",
            "Telemetry",
        ]),
        "Coordinator": system.union(transport).union([
            "Allocation", "ControlAPI", "ControlAPIMapping", "CoordinatorCore", "DaemonSupport", "FleetProtocol",
            "DequeModule", "FleetMapping", "Forecasting", "Foundation", "HTTPTypes", "HummingbirdCore", "Logging",
            "NIOCore",
            "NIOPosix",
            "NetworkTypes", "Prometheus", "SNISpace", "ServiceLifecycle", "Store", "SwiftProtobuf",
        ]),
        "outrider-agent": [
            "Agent", "ArgumentParser", "DaemonSupport", "Logging", "Netlink", "NetworkTypes", "ServiceLifecycle",
        ],
        "outrider-coordinator": [
            "ArgumentParser", "Coordinator", "CoordinatorCore", "DaemonSupport", "Logging", "ServiceLifecycle",
        ],
        "outriderctl": transport.union([
            "ArgumentParser", "ControlAPI", "DaemonSupport", "Foundation", "LocalAPI", "NetworkTypes", "SwiftProtobuf",
        ]),

        "FleetSimulation": collections.union([
            "AgentCore", "Allocation", "CoordinatorCore", "Dataplane", "FleetProtocol", "Forecasting", "NetworkTypes",
            "SNISpace", "SimulationKit",
        ]),
        "ForecastBacktest": ["Allocation", "Forecasting", "FoundationEssentials", "Glibc", "SimulationKit"],
        "outrider-sim": [
            "Allocation", "ArgumentParser", "FleetSimulation", "ForecastBacktest", "FoundationEssentials", "Glibc",
            "NetworkTypes",
        ],
        "SimulationKit": ["FoundationEssentials", "Glibc", "NetworkTypes", "Synchronization"],
        "NamespaceKit": system.union([
            "CNamespaceKit", "Foundation", "LocalAPI", "Netlink", "NetworkTypes", "SimulationKit",
        ]),
    ]
}()

@Suite struct ImportTests {
    @Test func everyTargetHasARule() throws {
        #expect(try Repository.folders(in: "Sources") == allowed.keys.sorted())
    }

    @Test(arguments: allowed.keys.sorted())
    func importsOnlyWhatItMay(target: String) throws {
        for file in Repository.swiftFiles where file.path.hasPrefix("Sources/\(target)/") {
            let forbidden = Set(file.imports).subtracting(allowed[target] ?? []).sorted()
            #expect(forbidden.isEmpty, "\(file.path) imports \(forbidden.joined(separator: ", "))")
        }
    }

    @Test func cShimsStayBehindTheirLeaf() {
        for file in Repository.swiftFiles where file.imports.contains("CNetlinkShim") {
            let mayImport = ["Netlink", "NetlinkTests", "NFTablesTests"].contains(file.target)
            #expect(mayImport, "\(file.path) imports CNetlinkShim")
        }
        for file in Repository.swiftFiles {
            #expect(!file.imports.contains("CLibnl"), "\(file.path) imports CLibnl")
        }
    }
}
