import FleetProtocol
import NetworkTypes
import SNISpace
import Testing

@testable import CoordinatorCore

@Suite struct KernelCheckTests {
    struct Scene {
        let fleet: Fleet
        let app: ApplicationID
        let a: HostID
        let b: HostID
        let own: SNIBlock
        let peer: SNIBlock

        init() throws {
            fleet = try Fleet(hosts: 2)
            fleet.start()
            app = try fleet.application("web")
            (a, b) = (fleet.names[0], fleet.names[1])
            own = try #require(fleet.lease(app, on: a, request: 1))
            peer = try #require(fleet.lease(app, on: b, request: 1))
            fleet.quiesce()
        }

        /// What `a` would report when all is well.
        var good: KernelInventory {
            KernelInventory(
                position: fleet.agents[a]?.position ?? .zero, localVNIs: [own.first], remoteBlocks: [peer])
        }

        func report(_ change: (inout KernelInventory) -> Void) -> [String] {
            var kernel = good
            change(&kernel)
            fleet.say(.hostReport(HostReport(kernel: kernel)), from: a)
            return fleet.findings
        }
    }

    @Test func agreementIsSilent() throws {
        let scene = try Scene()
        #expect(scene.report { _ in } == [])
    }

    @Test func everyLeakIsNamed() throws {
        let scene = try Scene()
        let stray = SNIBlock(single: SessionNetworkID(unchecked: 5000))
        #expect(scene.report { $0.localVNIs.append(stray.first) } == ["kernel-block-leaked"])
        #expect(scene.report { $0.localVNIs = [] } == ["kernel-block-missing"])
        #expect(scene.report { $0.remoteBlocks.append(stray) } == ["kernel-route-leaked"])
        #expect(scene.report { $0.remoteBlocks = [] } == ["kernel-route-missing"])
        #expect(scene.report { $0.ports = [stray.first] } == ["port-without-binding"])
        let findings = scene.fleet.machine.check(at: scene.fleet.now).findings
        #expect(findings.allSatisfy { $0.object.contains("\(scene.a)") && !$0.remedy.isEmpty })
        try scene.fleet.bind(scene.own.first, of: scene.app, on: scene.a, state: .bound)
        #expect(scene.report { $0.ports = [scene.own.first] } == [])
    }

    @Test func manyLeaksAreCounted() throws {
        let scene = try Scene()
        let codes = scene.report { kernel in
            kernel.localVNIs += (0..<100).map { SessionNetworkID(unchecked: 6000 + $0) }
        }
        #expect(codes.count == CoordinatorMachine.leaksNamedMax)
        #expect(scene.fleet.machine.check(at: scene.fleet.now).findings.last?.detail.contains("84 more") == true)
    }

    /// A dump that was made before the last update reached the kernel proves nothing.
    @Test func anOldDumpIsNotCompared() throws {
        let scene = try Scene()
        let fleet = scene.fleet
        fleet.say(.hostReport(HostReport(kernel: scene.good)), from: scene.a)
        _ = fleet.lease(scene.app, on: scene.a, request: 2)
        fleet.quiesce()
        #expect(fleet.findings == [])
        #expect(scene.report { $0.localVNIs = [scene.own.first] } == ["kernel-block-missing"])
        try fleet.restart()
        for host in fleet.names { fleet.connect(host) }
        fleet.quiesce()
        #expect(fleet.findings == [], "the report of another term is gone")
    }

    @Test func routesOfADroppedEndpointAreNotMissed() throws {
        let scene = try Scene()
        let fleet = scene.fleet
        fleet.disconnect(scene.b)
        _ = fleet.command(.fenceHost(scene.b, proof: .cutOff, reason: "test"))
        fleet.acknowledge(scene.a)
        #expect(scene.report { $0.remoteBlocks = [] } == ["host-unreachable", "host-fencing"])
        #expect(scene.report { _ in }.contains("kernel-route-leaked"))
    }
}
