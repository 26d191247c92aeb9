//! The size of a deployment.

use std::fs::File;
use std::io::{self, Cursor, Write};
use std::path::Path;

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

/// The bytes of a zip file with this binary as `bootstrap`.
pub fn of_binary(binary: &Path) -> io::Result<u64> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    add(&mut zip, "bootstrap", binary)?;
    finish(zip)
}

/// The size in bytes of a zip file of this folder, and of the folder itself.
pub fn of_folder(folder: &Path) -> io::Result<(u64, u64)> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let mut unpacked = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next)? {
            let path = entry?.path();
            // The size of a link, as in `node_modules/.bin`, is negligible.
            if path.is_symlink() {
                continue;
            }
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            unpacked += path.metadata()?.len();
            let name = path.strip_prefix(folder).map_err(io::Error::other)?;
            add(&mut zip, &name.to_string_lossy(), &path)?;
        }
    }
    Ok((unpacked, finish(zip)?))
}

type Zip = ZipWriter<Cursor<Vec<u8>>>;

fn add(zip: &mut Zip, name: &str, file: &Path) -> io::Result<()> {
    // Level 9, like cargo-lambda and `zip -9`.
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9));
    zip.start_file(name, options)?;
    io::copy(&mut File::open(file)?, zip)?;
    Ok(())
}

fn finish(mut zip: Zip) -> io::Result<u64> {
    zip.flush()?;
    Ok(zip.finish()?.get_ref().len() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_zipped_with_its_whole_content() {
        let folder = std::env::temp_dir().join(format!("zipped-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("inner")).unwrap();
        std::fs::write(folder.join("a"), vec![b'a'; 100_000]).unwrap();
        let (unpacked, one) = of_folder(&folder).unwrap();
        assert_eq!(unpacked, 100_000);
        assert!((100..1_000).contains(&one), "{one}");
        std::fs::write(folder.join("inner/b"), vec![b'b'; 100_000]).unwrap();
        let (unpacked, two) = of_folder(&folder).unwrap();
        assert_eq!(unpacked, 200_000);
        assert!(two > one);
        assert!(of_binary(&folder.join("a")).unwrap() < one + 20);
        std::fs::remove_dir_all(folder).unwrap();
    }
}
