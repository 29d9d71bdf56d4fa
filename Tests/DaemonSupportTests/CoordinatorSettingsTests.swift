import Logging
import NetworkTypes
import Testing

@testable import DaemonSupport

@Suite struct CoordinatorSettingsTests {
    private func problems(_ yaml: String) -> [String] {
        do {
            _ = try CoordinatorSettings(yaml: yaml, file: "c.yaml")
            return []
        } catch {
            return error.problems.map(\.description)
        }
    }

    @Test func emptyFileMeansTheDefaults() throws {
        let settings = try CoordinatorSettings(yaml: "", file: "c.yaml")
        #expect(settings.pool == [SNIRange(unchecked: 4096, count: (1 << 24) - 4096)])
        #expect(settings.horizons.count == 5)
        #expect(settings.overlay == .standard)
        #expect(settings.listen.map(\.description) == ["127.0.0.1:7400"])
    }

    @Test func everyKeyIsRead() throws {
        let yaml = """
            listen: ["10.0.0.1:7400", "[fd00::1]:7400"]
            state-directory: /var/lib/x
            pool:
              - 0x10000-0x1ffff
              - 8192-65535
            exclude: [8192-8207]
            chunk-size: 8192
            block-size: 32
            overlay-ipv4: 100.64.0.0/10
            overlay-ipv6: fd00:1:2::/48
            overlay-mtu: 8950
            vxlan-port: 4790
            sample-interval: 300ms
            aggregate-interval: 300ms
            decision-interval: 400ms
            lead-time: 500ms
            horizons: [1s, 2s]
            cooldown: 600ms
            quarantine: 700ms
            reservation-lifetime: 1h
            standard-lifetime: 9s
            bind-until: 2h
            unreachable-after: 3s
            drain-timeout: 4s
            log-level: debug
            """
        let settings = try CoordinatorSettings(yaml: yaml, file: "c.yaml")
        #expect(settings.listen.map(\.description) == ["10.0.0.1:7400", "[fd00::1]:7400"])
        #expect(
            settings.pool == [SNIRange(unchecked: 8192, count: 57_344), SNIRange(unchecked: 65_536, count: 65_536)])
        #expect(settings.excluded == [SNIRange(unchecked: 8192, count: 16)])
        #expect(settings.chunkSize == 8192 && settings.blockSize == 32 && settings.vxlanPort == 4790)
        #expect(settings.overlay.ipv4.description == "100.64.0.0/10" && settings.overlayMTU == 8950)
        #expect(settings.aggregateInterval == .milliseconds(300))
        #expect(settings.decisionInterval == .milliseconds(400) && settings.leadTime == .milliseconds(500))
        #expect(settings.horizons == [.seconds(1), .seconds(2)] && settings.cooldown == .milliseconds(600))
        #expect(settings.quarantine == .milliseconds(700) && settings.standardLifetime == .seconds(9))
        #expect(settings.reservationLifetime == .seconds(3600) && settings.bindUntil == .seconds(7200))
        #expect(settings.unreachableAfter == .seconds(3) && settings.drainTimeout == .seconds(4))
        #expect(settings.logLevel == .debug && settings.stateDirectory == "/var/lib/x")
        #expect(try CoordinatorSettings(yaml: settings.effectiveText, file: "c.yaml") == settings)
    }

    @Test(arguments: [
        ("colldown: 1s", "c.yaml:1: key 'colldown': outrider-coordinator has no such key; did you mean 'cooldown'?"),
        ("\ncooldown: 10", "c.yaml:2: key 'cooldown': '10' is not accepted; expected a duration"),
        ("cooldown: 9ms", "'9ms' is not accepted; expected a duration such as 200ms, 10s, 5m, 24h or 1h30m, 10ms ..."),
        ("cooldown:", "c.yaml:1: key 'cooldown': it has no value"),
        ("cooldown: [1s]", "it is a list"),
        ("cooldown: {a: b}", "it has keys below it"),
        ("chunk-size: 3000", "'3000' is not accepted; expected a power of two, 256 ... 65536"),
        ("block-size: 512", "expected a power of two, 4 ... 256"),
        ("vxlan-port: 0", "expected a port number, 1 ... 65535"),
        ("overlay-mtu: 1279", "expected a whole number, 1280 ... 9000"),
        ("overlay-ipv4: 10.0.0.1/8", "expected an IPv4 prefix without host bits"),
        ("overlay-ipv6: 2001:db8::/48", "expected an IPv6 unique local prefix"),
        ("log-level: loud", "expected one of trace, debug, info, notice, warning, error, critical"),
        ("listen: 10.0.0.1:7400", "it is a single value, not a list"),
        ("listen: []", "the list has only 0 entries"),
        ("listen: [host:7400]", "expected a list of 1 or more, each ADDRESS:PORT with an IP address"),
        ("state-directory: relative", "expected an absolute path"),
        ("pool:\n  - 4096-8191\n  - 12-x", "c.yaml:3: key 'pool': '12-x' is not accepted"),
        ("cooldown: 1s\nquarantine: 2s\ncooldown: 3s", "c.yaml:3: key 'cooldown': it stands twice (first on line 1)"),
        ("cooldown: 1s\n\tquarantine: 2s", "c.yaml:2: not valid YAML"),
        ("- a\n- b", "not a list of 'key: value' lines"),
    ])
    func namesFileLineKeyAndFix(yaml: String, expected: String) {
        let found = problems(yaml)
        #expect(found.count == 1)
        #expect(found.first?.contains(expected) == true, "\(found)")
    }

    @Test(arguments: [
        ("pool: [0-8191]", "never handed out; begin at 4096"),
        ("overlay-ipv4: 100.64.0.0/10", "has addresses for 0-4194303; end the pool at 4194303"),
        ("pool: [4096-8191, 8191-12287]", "overlaps"),
        ("pool: [4096-8000]", "not made of whole chunks of 4096"),
        ("pool: [4096-8191]\nexclude: [9000-9001]", "c.yaml:2: key 'exclude': 9000-9001 is not inside"),
        ("pool: [4096-8191]\nexclude: [4096-8191]", "it leaves nothing of the pool"),
        ("exclude: [5000-5010, 5010-5020]", "5010-5020 overlaps 5000-5010; make the ranges disjoint"),
        ("horizons:\n  - 5m\n  - 5m", "c.yaml:3: key 'horizons': 5m does not come after 5m"),
        ("unreachable-after: 1s", "1s is less than aggregate-interval (10s)"),
        ("sample-interval: 1s", "1s differs from aggregate-interval (10s); remove sample-interval"),
        ("bind-until: 1s", "1s is less than unreachable-after (30s)"),
        ("reservation-lifetime: 1s", "1s is less than decision-interval (1m)"),
        ("listen: [\"127.0.0.1:1\", \"127.0.0.1:1\"]", "127.0.0.1:1 stands twice"),
    ])
    func namesContradictions(yaml: String, expected: String) {
        let found = problems(yaml)
        #expect(found.contains { $0.contains(expected) }, "\(found)")
    }

    @Test func tellsEverythingAtOnceInFileOrder() {
        let found = problems("cooldown: x\nfoo: 1\nvxlan-port: 70000")
        #expect(found.count == 3)
        #expect(found.map { $0.prefix(8) } == ["c.yaml:1", "c.yaml:2", "c.yaml:3"])
    }

    @Test func missingFileIsNamed() {
        #expect(throws: ConfigurationError.self) { try CoordinatorSettings.load(file: "/nonexistent/c.yaml") }
        do {
            _ = try CoordinatorSettings.load(file: "/nonexistent/c.yaml")
        } catch {
            #expect("\(error)".hasPrefix("/nonexistent/c.yaml: cannot be read: no such file; "))
        }
    }
}

@Suite struct PrometheusSettingsTests {
    private func problems(_ yaml: String) -> String {
        do {
            _ = try CoordinatorSettings(yaml: yaml, file: "c.yaml")
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test func aServerAndItsQueries() throws {
        let settings = try CoordinatorSettings(
            yaml: """
                prometheus: http://[fd00::1]:9090/prom
                prometheus-vms: 'sum by (app) (vm_up)'
                prometheus-cpu: 'sum by (app) (increase(cpu[$step]))'
                prometheus-label: app
                prometheus-step: 30s
                """, file: "c.yaml")
        let source = try #require(settings.prometheus)
        #expect(source.base == "http://[fd00::1]:9090/prom" && source.label == "app" && source.step == .seconds(30))
        #expect(source.queries == [.vms: "sum by (app) (vm_up)", .cpu: "sum by (app) (increase(cpu[$step]))"])
        #expect(try CoordinatorSettings(yaml: settings.effectiveText, file: "c.yaml").prometheus == source)
        #expect(try CoordinatorSettings(yaml: "", file: "c.yaml").prometheus == nil)
    }

    @Test func hostsHaveWeights() throws {
        let settings = try CoordinatorSettings(yaml: "host-weights: [hv-07=0.5, hv-08=0]\n", file: "c.yaml")
        #expect(settings.hostWeights.map(\.host.description) == ["hv-07", "hv-08"])
        #expect(settings.hostWeights.map(\.weight) == [0.5, 0])
        #expect(try CoordinatorSettings(yaml: settings.effectiveText, file: "c.yaml") == settings)
    }

    @Test func aCalendarNeedsATimeZone() throws {
        let settings = try CoordinatorSettings(
            yaml: "time-zone: Europe/Berlin\nrest-days: [friday]\nholidays: [2024-02-29, 2026-12-25]\n", file: "c.yaml")
        let calendar = try #require(settings.calendar)
        #expect(calendar.timeZone == "Europe/Berlin" && calendar.restDays.map(\.number) == [4])
        // As `date -d 2026-12-25 +%s` divided by 86,400 says.
        #expect(calendar.holidays.map(\.number) == [19_782, 20_812])
        #expect(try CoordinatorSettings(yaml: settings.effectiveText, file: "c.yaml") == settings)
        #expect(try CoordinatorSettings(yaml: "holidays: [2026-12-25]\n", file: "c.yaml").calendar == nil)
    }

    @Test(arguments: [
        ("prometheus: http://a:9090\n", "there is no query for VMs"),
        ("prometheus-vms: up\n", "there is no server to ask"),
        ("prometheus: http://a\nprometheus-vms: up\nprometheus-step: 25s\n", "no multiple of aggregate-interval"),
        ("prometheus: ftp://a\nprometheus-vms: up\n", "'ftp://a' is not accepted"),
        ("prometheus: http://user:secret@a\nprometheus-vms: up\n", "is not accepted"),
        ("prometheus: http://a\nprometheus-vms: up\nprometheus-label: 1a\n", "'1a' is not accepted"),
        ("http-listen: [127.0.0.1:80, 127.0.0.1:80]\n", "127.0.0.1:80 stands twice"),
        ("profiles-max: 0\n", "'0' is not accepted"),
        ("cost-ratio-batch: 0\n", "'0' is not accepted"),
        ("host-weights: [hv-07]\n", "'hv-07' is not accepted"),
        ("host-weights: [hv-07=-1]\n", "'hv-07=-1' is not accepted"),
        ("host-weights: [hv-07=1e3]\n", "'hv-07=1e3' is not accepted"),
        ("time-zone: Mars/Olympus\n", "/usr/share/zoneinfo has no 'Mars/Olympus'"),
        ("time-zone: ../../etc/passwd\n", "is not accepted"),
        ("rest-days: [caturday]\n", "'caturday' is not accepted"),
        ("holidays: [2026-02-29]\n", "'2026-02-29' is not accepted"),
        ("holidays: [2026-1-01]\n", "'2026-1-01' is not accepted"),
    ])
    func contradictionsAreRefused(yaml: String, complaint: String) {
        #expect(problems(yaml).contains(complaint))
    }
}
