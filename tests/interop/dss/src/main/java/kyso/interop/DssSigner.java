package kyso.interop;

import eu.europa.esig.dss.enumerations.DigestAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureAlgorithm;
import eu.europa.esig.dss.enumerations.SignatureLevel;
import eu.europa.esig.dss.model.DSSDocument;
import eu.europa.esig.dss.model.FileDocument;
import eu.europa.esig.dss.model.SignatureValue;
import eu.europa.esig.dss.model.x509.CertificateToken;
import eu.europa.esig.dss.pades.PAdESSignatureParameters;
import eu.europa.esig.dss.pades.signature.PAdESService;
import eu.europa.esig.dss.spi.validation.CommonCertificateVerifier;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.Signature;
import java.security.cert.X509Certificate;
import java.util.Arrays;
import java.util.List;

/** EU DSS as a signer, to see which documents it can sign: B-B, with the key of a PKCS #12 file. */
final class DssSigner implements Reader {

    private static final char[] PASSWORD = "kyso".toCharArray();
    private final Path keys;

    DssSigner(Path keys) {
        this.keys = keys;
    }

    /** Signs into `out`, which stands where the others find evidence. */
    @Override
    public List<Said> read(Path document, Path out) throws Exception {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream file = Files.newInputStream(keys)) {
            store.load(file, PASSWORD);
        }
        String alias = store.aliases().nextElement();
        List<CertificateToken> chain = Arrays.stream(store.getCertificateChain(alias))
                .map(one -> new CertificateToken((X509Certificate) one))
                .toList();
        PAdESSignatureParameters parameters = new PAdESSignatureParameters();
        parameters.setSignatureLevel(SignatureLevel.PAdES_BASELINE_B);
        parameters.setDigestAlgorithm(DigestAlgorithm.SHA256);
        parameters.setSigningCertificate(chain.get(0));
        parameters.setCertificateChain(chain);
        PAdESService service = new PAdESService(new CommonCertificateVerifier(true));
        DSSDocument source = new FileDocument(document.toFile());
        Signature signer = Signature.getInstance("SHA256withRSA");
        signer.initSign((PrivateKey) store.getKey(alias, PASSWORD));
        signer.update(service.getDataToSign(source, parameters).getBytes());
        var value = new SignatureValue(SignatureAlgorithm.RSA_SHA256, signer.sign());
        service.signDocument(source, parameters, value).save(out.toString());
        return List.of(new Said("", "good", "signed"));
    }
}
