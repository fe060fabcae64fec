package kyso.interop;

import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.enumerations.SignaturePackaging;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.spi.DSSUtils;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import eu.europa.esig.dss.spi.x509.CommonTrustedCertificateSource;
import eu.europa.esig.dss.spi.x509.revocation.crl.ExternalResourcesCRLSource;
import eu.europa.esig.dss.spi.x509.revocation.ocsp.ExternalResourcesOCSPSource;
import eu.europa.esig.dss.spi.x509.tsp.KeyEntityTSPSource;
import eu.europa.esig.dss.xades.XAdESSignatureParameters;
import eu.europa.esig.dss.xades.signature.XAdESCounterSignatureParameters;
import eu.europa.esig.dss.xades.signature.XAdESService;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * EU DSS as a signer of XML, to see whether we read and lift what it makes, and it lifts what we make. A PKCS #12 file
 * holds an RSA key, `tsa.p12` beside it that of a timestamp authority; a folder holds OCSP responses, lists, and under
 * `detached` detached contents.
 */
final class DssXadesSigner implements Reader {

    private static final char[] PASSWORD = "kyso".toCharArray();
    private final Path keys;
    private final List<Path> anchors;
    private final Path evidence;
    private final String how;
    private final SignatureLevel level;

    private DssXadesSigner(Path keys, List<Path> anchors, Path evidence, String how, SignatureLevel level) {
        this.keys = keys;
        this.anchors = anchors;
        this.evidence = evidence;
        this.how = how;
        this.level = level;
    }

    /** By name: `xades-enveloped-LTA` and so on for each packaging, `extend` and `counter`, and each level. */
    static Map<String, Reader> all(Path keys, List<Path> anchors, Path evidence) {
        Map<String, Reader> found = new HashMap<>();
        for (String how : List.of("enveloped", "enveloping", "detached", "extend", "counter")) {
            for (String level : List.of("B", "T", "LT", "LTA")) {
                SignatureLevel wanted = SignatureLevel.valueOf("XAdES_BASELINE_" + level);
                String name = "xades-" + how + "-" + level;
                found.put(name, new DssXadesSigner(keys, anchors, evidence, how, wanted));
            }
        }
        return found;
    }

    /** Signs or lifts into `out`. */
    @Override
    public List<Said> read(Path document, Path out) throws Exception {
        KeyStore store = load(keys);
        String alias = store.aliases().nextElement();
        KeyStore tsa = load(keys.resolveSibling("tsa.p12"));
        XAdESService service = new XAdESService(verifier());
        service.setTspSource(stamping(tsa));
        DSSDocument source = new FileDocument(document.toFile());
        List<CertificateToken> chain = Arrays.stream(store.getCertificateChain(alias))
                .map(one -> new CertificateToken((java.security.cert.X509Certificate) one))
                .toList();
        PrivateKey key = (PrivateKey) store.getKey(alias, PASSWORD);
        DSSDocument made;
        if (how.equals("counter")) {
            XAdESCounterSignatureParameters parameters = new XAdESCounterSignatureParameters();
            prepare(parameters, chain);
            parameters.setSignatureIdToCounterSign(first(source));
            var value = sign(key, service.getDataToBeCounterSigned(source, parameters).getBytes());
            made = service.counterSignSignature(source, parameters, value);
        } else {
            XAdESSignatureParameters parameters = new XAdESSignatureParameters();
            prepare(parameters, chain);
            if (how.equals("extend")) {
                parameters.setDetachedContents(detached());
                made = service.extendDocument(source, parameters);
            } else {
                String packaging = how.toUpperCase(java.util.Locale.ROOT);
                parameters.setSignaturePackaging(SignaturePackaging.valueOf(packaging));
                var value = sign(key, service.getDataToSign(source, parameters).getBytes());
                made = service.signDocument(source, parameters, value);
            }
        }
        made.save(out.toString());
        return List.of(new Said("", "good", "signed"));
    }

    private static KeyStore load(Path path) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream file = Files.newInputStream(path)) {
            store.load(file, PASSWORD);
        }
        return store;
    }

    private static KeyEntityTSPSource stamping(KeyStore tsa) throws Exception {
        KeyEntityTSPSource source = new KeyEntityTSPSource(tsa, tsa.aliases().nextElement(), PASSWORD);
        source.setTsaPolicy("1.3.6.1.4.1.99999.1");
        return source;
    }

    private void prepare(XAdESSignatureParameters parameters, List<CertificateToken> chain) {
        parameters.setSignatureLevel(level);
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        parameters.setSigningCertificate(chain.get(0));
        parameters.setCertificateChain(chain);
    }

    private static SignatureValue sign(PrivateKey key, byte[] octets) throws Exception {
        Signature signer = Signature.getInstance("SHA256withRSA");
        signer.initSign(key);
        signer.update(octets);
        return new SignatureValue(SignatureAlgorithm.RSA_SHA256, signer.sign());
    }

    private static String first(DSSDocument source) throws Exception {
        String text = new String(DSSUtils.toByteArray(source), java.nio.charset.StandardCharsets.UTF_8);
        var found = java.util.regex.Pattern.compile("<\\w+:Signature [^>]*Id=\"([^\"]+)\"").matcher(text);
        found.find();
        return found.group(1);
    }

    private CommonCertificateVerifier verifier() throws Exception {
        CommonCertificateVerifier verifier = new CommonCertificateVerifier(true); // no sources, so no network
        CommonTrustedCertificateSource trusted = new CommonTrustedCertificateSource();
        anchors.forEach(path -> trusted.addCertificate(DSSUtils.loadCertificate(path.toFile())));
        verifier.setTrustedCertSources(trusted);
        verifier.setOcspSource(new ExternalResourcesOCSPSource(Dss.files(evidence, ".ocsp")));
        verifier.setCrlSource(new ExternalResourcesCRLSource(Dss.files(evidence, ".crl")));
        verifier.setCheckRevocationForUntrustedChains(true);
        return verifier;
    }

    private List<DSSDocument> detached() throws Exception {
        Path folder = evidence.resolve("detached");
        return Files.isDirectory(folder) ? List.of(Dss.files(folder, "")) : List.of();
    }
}
